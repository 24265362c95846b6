import { syncSubjects } from '@cqrs/contracts'
import { eventually, freshDirectory, saw, startProcess, tokenMint } from '@cqrs/local-stack/testing'
import { projections } from '@cqrs/projector'
import { generateKeyFiles } from '@cqrs/service-kit'
import t from 'tap'
import { created, updated, userId } from '../../../services/projector/test/fixtures/user-events.ts'
import { startSystem } from './fixtures/system.ts'

const { broker, cli, database, nats, projector, settings, users, visible, ...system } = await startSystem(t)
const writeSide = system.writeSide()
const keys = await generateKeyFiles(await freshDirectory(t))
const token = tokenMint(keys.signingKeyFile)
const operator = await startProcess(t, 'operator', {
  MONGODB_READ_URI: settings.MONGODB_READ_URI,
  NATS_URL: settings.NATS_URL,
  JWKS_FILE: keys.jwksFile,
})

const admin = userId(1)
await writeSide.apply(created(1, { roles: ['admin'] }), created(2), created(3))
for (const n of [1, 2, 3]) await visible(n, 1)

const asAdmin = { authorization: `Bearer ${token({ sub: admin, roles: ['admin'] })}` }
async function ask(method: string, path: string, body?: object, headers: Record<string, string> = asAdmin) {
  const response = await fetch(operator.url + path, {
    method,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (text.includes('operation-refused')) saw('problem operation-refused')
  const isJson = /json$/.test(response.headers.get('content-type')?.split(';')[0] ?? '')
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && !/ndjson/.test(String(response.headers.get('content-type'))) ? JSON.parse(text) : text,
  }
}
const actions = async () => (await ask('GET', '/operator/actions')).body.data

t.test('only administrators are admitted, by what the read model says of them now', async (t) => {
  t.match(await ask('GET', '/operator/status', undefined, {}), { status: 401, body: { code: 'token-missing' } })
  const as = (claims: object) =>
    ask('GET', '/operator/actions', undefined, { authorization: `Bearer ${token(claims as never)}` })
  t.match(
    await as({ sub: userId(2), roles: ['admin'] }),
    { status: 403, body: { code: 'not-allowed' } },
    'an earlier role',
  )
  t.match(await as({ sub: userId(9), roles: ['buyer'] }), { status: 403 })
  t.match(await as({ sub: userId(9), roles: ['admin'] }), { status: 200 }, 'whom the read model has lost')
  await writeSide.apply(
    updated(
      3,
      2,
      { roles: ['admin'], isActive: false },
      { tokensFromVersion: 2, tokensRevokedAt: new Date().toISOString() },
    ),
  )
  await visible(3, 2)
  t.match(await as({ sub: userId(3), roles: ['admin'] }), { status: 401, body: { code: 'token-revoked' } })
})

t.test('the state says what is wrong and what mends it, and is sent again and again to those who watch', async (t) => {
  const { body } = await ask('GET', '/operator/status')
  t.match(body, {
    at: String,
    isWell: false,
    replicas: [
      { service: 'command-api', status: 'no answer' },
      { service: 'projector', status: String, version: String, replica: String },
      { service: 'query-api', status: 'no answer' },
    ],
    outbox: { users: null, oldestSeconds: null },
  })
  t.ok(body.problems.some(({ text }: { text: string }) => text === 'command-api: no replica answers'))
  t.match(
    body.readModels.find(({ shape }: { shape: string }) => shape === 'users_read_v1'),
    { isLive: true, isWritten: true, documents: 3, collection: 'users_read_v1', rebuild: null },
  )
  const response = await fetch(`${operator.url}/operator/live`, { headers: asAdmin })
  t.match(response.headers.get('content-type'), /^text\/event-stream/)
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk)
    if (text.split('\n\n').length > 2) break
  }
  const [first, second] = text.split('\n\n').map((event) => event.startsWith('data: ') && JSON.parse(event.slice(6)))
  t.match(first, { consumers: [{ consumer: 'users_read_v1', deadLetters: 0 }] })
  t.match(second.consumers[0], { handledPerSecond: 0 })
  t.ok(Date.parse(second.at) > Date.parse(first.at))
})

t.test('a rebuild continues after the answer, shows its progress, and is refused while one runs', async (t) => {
  const stuck = Promise.withResolvers<void>()
  writeSide.steps.before = async (subject) => {
    if (subject === syncSubjects.page) await stuck.promise
  }
  t.match(await ask('POST', '/operator/read-models/users_read_v1/rebuild'), {
    status: 202,
    body: { shape: 'users_read_v1' },
  })
  const rebuild = async () => {
    const { body } = await ask('GET', '/operator/status')
    return body.readModels.find(({ shape }: { shape: string }) => shape === 'users_read_v1')
  }
  t.match(await rebuild(), { rebuild: { filled: 0 } })
  t.match(await ask('POST', '/operator/read-models/users_read_v1/rebuild'), {
    status: 409,
    body: { code: 'operation-refused', detail: 'a rebuild of users_read_v1 is running in another process' },
  })
  stuck.resolve()
  await eventually(async () => /^users_read_v1_\d{17}$/.test((await rebuild()).collection))
  t.match(await rebuild(), { rebuild: null, documents: 3 })
  const { writeDatabase } = writeSide.identity
  writeSide.identity.writeDatabase = crypto.randomUUID()
  t.match(await ask('POST', '/operator/read-models/user_stats_v1/rebuild'), {
    status: 409,
    body: { code: 'operation-refused', detail: /^the read models follow the write database/ },
  })
  writeSide.identity.writeDatabase = writeDatabase
  t.match(await ask('DELETE', '/operator/read-models/users_read_v1/rebuild'), {
    status: 200,
    body: { abandoned: null },
  })
  t.match(await ask('POST', '/operator/read-models/nothing_v1/rebuild'), {
    status: 400,
    body: { code: 'validation-failed' },
  })
  t.match((await actions()).slice(0, 4), [
    { action: 'abandon-rebuild' },
    { action: 'rebuild', outcome: 'failure', reason: /follow the write database/ },
    { action: 'rebuild', outcome: 'failure', reason: /running in another process/ },
    {
      action: 'rebuild',
      outcome: 'success',
      actor: 'administrator',
      actor_id: admin,
      shape: 'users_read_v1',
      at: String,
    },
  ])
})

t.test('shapes are switched, rolled back and dropped', async (t) => {
  const shape = '/operator/read-models/user_directory_v1'
  t.match(await ask('POST', `${shape}/rebuild`), { status: 202 })
  await eventually(async () => (await ask('POST', `${shape}/switch`)).status === 200)
  t.match(await ask('POST', '/operator/read-models/user_directory/rollback'), {
    status: 200,
    body: { readModel: 'user_directory', shape: 2, before: 1 },
  })
  t.match(await ask('DELETE', '/operator/read-models/user_directory_v2'), { status: 409, body: { detail: /is live/ } })
  t.match(await ask('DELETE', shape), { status: 200, body: { dropped: 'user_directory_v1' } })
  t.match(await ask('POST', '/operator/read-models/nothing_v1/switch'), {
    status: 409,
    body: { detail: /no read model/ },
  })
})

t.test('a comparison is streamed, one finding a line', async (t) => {
  const live = await liveUsers()
  await live.updateOne({ _id: userId(2) }, { $set: { name: 'Other' } })
  const lines = async (body: object) => {
    const { body: text } = await ask('POST', '/operator/comparison', body)
    return (text as string)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }
  const found = await lines({})
  t.match(found[0], { shape: 'users_read_v1', id: userId(2), kind: 'differs' })
  t.strictSame(found.at(-1), { isWhole: false })
  t.match(await ask('POST', '/operator/comparison', { allowDeletions: 3 }), { status: 409 })
  t.strictSame((await lines({ repair: true })).at(-1), { isWhole: true })
  t.match((await actions())[0], { action: 'repair', outcome: 'success' })
})

t.test('dead letters are read with personal data masked, tried, replayed and dropped', async (t) => {
  const poison = JSON.stringify({ ...updated(2, 9, { name: 'Jane Doe', email: 'jane@example.com' }), schemaversion: 0 })
  await broker.publishBytes(`users.${userId(2)}.updated`, poison)
  const list = async (query = '') => (await ask('GET', `/operator/dead-letters${query}`)).body.data
  await eventually(async () => (await list()).length === projections.length)
  const [{ seq, consumer }] = await list()
  t.match(await list(`?consumer=${consumer}`), [{ seq, reason: 'unknown-schema-version' }])
  t.strictSame(await list('?reason=not-json'), [])

  const shown = await ask('GET', `/operator/dead-letters/${seq}`)
  t.notMatch(JSON.stringify(shown.body), /Jane|jane/)
  t.match(JSON.parse(shown.body.content), { type: 'UserUpdated', subject: userId(2), data: { user: { name: '***' } } })
  const before = (await actions()).length
  t.match((await ask('GET', `/operator/dead-letters/${seq}?unmasked=true`)).body.content, /Jane Doe/)
  t.match((await actions())[0], { action: 'read-dead-letter', seq })
  t.equal((await actions()).length, before + 1)
  t.match(await ask('GET', '/operator/dead-letters/99999'), {
    status: 409,
    body: { detail: 'there is no dead letter 99999' },
  })

  t.match((await ask('POST', '/operator/dead-letters/replay', { dryRun: true })).body, {
    matching: projections.length,
    replayed: 0,
  })
  t.match((await ask('POST', '/operator/dead-letters/replay', { seq })).body, { matching: 1, replayed: 1 })
  await eventually(
    async () =>
      (await list()).length === projections.length && !(await list()).some((one: { seq: number }) => one.seq === seq),
  )
  t.match((await ask('POST', '/operator/dead-letters/drop', {})).body, { dropped: projections.length })
  t.strictSame(await list(), [])
})

t.test('a consumer is paused, which the state says, and resumed', async (t) => {
  const consumer = '/operator/consumers/user_stats_v1'
  t.match(await ask('POST', `${consumer}/pause`, { minutes: 5 }), { status: 200, body: { pausedUntil: String } })
  const { body } = await ask('GET', '/operator/status')
  t.ok(body.consumers.find((one: { consumer: string }) => one.consumer === 'user_stats_v1').pausedUntil)
  t.match(await ask('POST', `${consumer}/resume`), { status: 200 })
  t.match(await ask('POST', `${consumer}/pause`, { minutes: 0 }), { status: 400 })
})

t.test('the command line leaves a trace as well, and audit lines carry the id of the request', async (t) => {
  await cli('resume', 'user_stats_v1')
  t.match((await actions())[0], { action: 'resume-consumer', actor: /^command line: \w+/, outcome: 'success' })
  const { headers } = await ask('POST', '/operator/consumers/user_stats_v1/resume')
  const line = operator.logs.find(
    ({ msg, request_id }) => msg === 'audit' && request_id === headers.get('x-request-id'),
  )
  t.match(line, { action: 'resume-consumer', actor_id: admin, outcome: 'success', consumer: 'user_stats_v1' })
})

t.test('the console is served with its libraries, and only scripts of this origin run in it', async (t) => {
  for (const [path, type] of [
    ['/console/', /^text\/html/],
    ['/console/vendor/preact.js', /javascript/],
    ['/console/vendor/uplot.css', /css/],
  ] as const) {
    const { status, headers } = await ask('GET', path, undefined, {})
    t.match({ status, type: headers.get('content-type') }, { status: 200, type }, path)
    t.match(headers.get('content-security-policy'), /script-src 'self';/)
  }
  t.match(await ask('GET', '/console/../package.json', undefined, {}), { status: 404 })
})

t.test('while NATS is unavailable the state says so', async (t) => {
  await nats.server.stop()
  const said = await eventually(async () => {
    const { body } = await ask('GET', '/operator/status')
    return body.problems.some(({ text }: { text: string }) => /^NATS does not answer/.test(text)) && body
  })
  t.equal(said.isWell, false)
  t.match(await ask('GET', '/operator/dead-letters'), { status: 409, body: { detail: /NATS/ } })
})

t.test('it stops at once, also while somebody watches', async (t) => {
  const watching = await fetch(`${operator.url}/operator/live`, { headers: asAdmin })
  const rest = watching.text()
  t.match(await operator.terminate(), 'exit code 0')
  t.match(await rest, /^data: /)
})

async function liveUsers() {
  const state = await database.db
    .collection<{ _id: string; live: string }>('read_models')
    .findOne({ _id: 'users_read_v1' })
  return database.db.collection<{ _id: string }>(state?.live ?? '')
}
