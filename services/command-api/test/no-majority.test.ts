import { findMongod, type ReplicaSet, startReplicaSet } from '@cqrs/local-stack'
import { eventually, freshDirectory } from '@cqrs/local-stack/testing'
import { MongoClient } from 'mongodb'
import t, { type Test } from 'tap'
import { createResources } from '../src/resources.ts'
import { connected, startCommandApi, surroundings } from './fixture.ts'

t.setTimeout(300_000)

// Without a majority the primary still answers reads and applies writes, and another primary can undo them. So nothing
// may be acknowledged: neither a change nor what needs no change.
t.test('what is acknowledged survives a failover, and without a majority nothing is acknowledged', async (t) => {
  const set = await startReplicaSet({ mongod: await findMongod(() => {}), dataDir: await freshDirectory(t) })
  t.teardown(() => set.kill())
  const client = await new MongoClient(set.rootUri('users_write')).connect()
  t.teardown(() => client.close())
  const { nats } = await surroundings(t, { isMigrated: false })
  await connected(nats.url, (connection) => createResources(client.db(), connection, 1))
  await t.test('the set survives a kill of its primary, which joins again', (t) => failover(t, set, client))
  await holdElections(client)
  const api = await startCommandApi(t, { MONGODB_URI: set.rootUri('users_write') })
  const users = client.db().collection<any>('users')

  const key = (name: string) => ({ 'idempotency-key': `"${name}"` })
  const jane = account('jane')
  const register = (body: object, name: string) => api.send('POST', '/api/v1/auth/register', body, undefined, key(name))
  const { body: user } = await register(jane, 'registration of Jane')
  const logIn = () => api.send('POST', '/api/v1/auth/login', { email: jane.email, password: jane.password })
  const { body: session } = await logIn()
  const { body: admin } = await register(account('admin'), 'registration of the admin')
  await users.updateOne({ _id: admin.id }, { $set: { roles: ['admin'] } }, { writeConcern: { w: 'majority' } })
  const asAdmin = api.token({ sub: admin.id, roles: ['admin'] })
  const put = (name: string, more?: Record<string, string>) =>
    api.send('PUT', `/api/v1/users/${user.id}`, { name, roles: ['buyer'] }, session.accessToken, more)
  const onSession = (action: string, refreshToken: string) =>
    api.send('POST', `/api/v1/auth/${action}`, { refreshToken })
  t.match(await put('Acknowledged', key('update')), { status: 200, body: { version: 2 } })
  await set.complete()

  const primary = await set.primary()
  const secondaries = set.nodes.filter((node) => node !== primary)
  await Promise.all(secondaries.map((node) => node.kill()))
  const withoutWrite = {
    'an update that changes nothing': () => put('Acknowledged'),
    'a replayed update': () => put('Acknowledged', key('update')),
    'a replayed registration': () => register(jane, 'registration of Jane'),
    'an activation of an active user': () => api.send('POST', `/api/v1/users/${user.id}/activate`, undefined, asAdmin),
    'a refresh': () => onSession('refresh', session.refreshToken),
    'a logout of a session that does not exist': () => onSession('logout', 'x'.repeat(86)),
  }
  const withWrite = {
    'a change': () => put('Never acknowledged'),
    'a registration': () => register(account('joe'), 'registration of Joe'),
    'a login': logIn,
  }
  const refused = async (requests: Record<string, () => ReturnType<typeof api.send>>, when: string) => {
    const answers = Object.entries(requests).map(async ([what, send]) => {
      const { status, headers, body } = await send()
      t.match({ status, code: body.code }, { status: 503, code: 'storage-unavailable' }, `${what}, ${when}`)
      t.equal(headers.get('retry-after'), '1')
    })
    await Promise.all(answers)
  }
  // As at a primary that was deposed: a majority has its last entry, so a write that changes nothing would succeed.
  await refused(withoutWrite, 'while the primary has nothing that a majority lacks')
  await refused(withWrite, 'the first time')
  // Now what the first time left on the primary could pass for done.
  await refused({ ...withoutWrite, ...withWrite }, 'the second time')
  t.equal((await set.primary()).name, primary.name, 'the fault took effect: the primary was there, without a majority')
  const local = { readConcern: { level: 'local' } } as const
  t.match(await users.findOne({ _id: user.id }, local), { name: 'Never acknowledged', version: 3 })

  await primary.kill()
  await Promise.all(secondaries.map((node) => node.start()))
  await elect(set.rootUri('admin'))
  t.match(await onSession('refresh', session.refreshToken), { status: 200 }, '503 has not used up the token')
  t.match(await put('Acknowledged', key('update')), { status: 200, body: { version: 2 } }, 'still the same answer')
  t.match(await register(jane, 'registration of Jane'), { status: 201, body: { id: user.id } })
  t.match(await register(account('joe'), 'registration of Joe'), { status: 201 })
  t.match(await put('After it'), { status: 200, body: { version: 3 } })

  await primary.start()
  await set.complete()
  t.match(
    await users.find({ _id: user.id }).toArray(),
    [{ name: 'After it', version: 3 }],
    'the primary has rolled back',
  )
})

const account = (name: string) => ({ email: `${name}@example.com`, password: 'password123', name, roles: ['buyer'] })

/** Kills the primary while the others have a majority. */
async function failover(t: Test, set: ReplicaSet, client: MongoClient): Promise<void> {
  const things = client.db('things').collection('things')
  await things.insertOne({ name: 'kept' }, { writeConcern: { w: 'majority' } })
  const killed = await set.primary()
  await killed.kill()
  t.not((await set.primary()).name, killed.name, 'another node is elected')
  t.equal(await things.countDocuments(), 1)
  await things.insertOne({ name: 'after the kill' }, { writeConcern: { w: 'majority' } })

  await killed.start()
  await set.complete()
  t.equal(await things.countDocuments(), 2)
}

/** Keeps a primary that has lost its majority from stepping down after 10 s, so that every request meets it. */
async function holdElections(client: MongoClient): Promise<void> {
  const admin = client.db('admin')
  const { config } = await admin.command({ replSetGetConfig: 1 })
  const settings = { ...config.settings, electionTimeoutMillis: 120_000 }
  await admin.command({ replSetReconfig: { ...config, version: config.version + 1, settings } })
}

/** Has one of the nodes that are running elected. They are asked in turn: a second candidate would depose the first. */
async function elect(uri: string): Promise<void> {
  const [, credentials, hosts = ''] = uri.match(/\/\/(.*)@(.*?)\//) ?? []
  const nodes = hosts
    .split(',')
    .map(
      (host) =>
        new MongoClient(`mongodb://${credentials}@${host}/?directConnection=true`, { serverSelectionTimeoutMS: 2_000 }),
    )
  const stepUp = async (node: MongoClient) => {
    await node.db('admin').command({ replSetStepUp: 1 })
    return true
  }
  const oneStepsUp = async () => {
    for (const node of nodes) if (await stepUp(node).catch(() => false)) return true
    return false
  }
  await eventually(oneStepsUp, { timeoutMs: 120_000, intervalMs: 500 })
  await Promise.all(nodes.map((node) => node.close()))
}
