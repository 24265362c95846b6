import { eventually } from '@cqrs/local-stack/testing'
import { projections } from '@cqrs/projector'
import t from 'tap'
import { created, updated, userId } from '../../../services/projector/test/fixtures/user-events.ts'
import { startSystem } from './fixtures/system.ts'

const { broker, cli, cliProgram, mail, nats, projector, visible } = await startSystem(t)

/** Each has a consumer of its own. */
const shapes = projections.map(({ name }) => name).sort()
/** Contains personal data, and is unreadable. */
const poison = (n: number) => JSON.stringify({ ...updated(n, 2, { name: 'Jane Doe' }), schemaversion: 0 })
const subject = (n: number) => `users.${userId(n)}.updated`
const allHandled = async () => {
  for (const durable of [...shapes, 'welcome-email']) await broker.allHandledBy(durable)
}
const listed = async () => {
  const { stdout } = await cli('dlq', 'list')
  const letters = stdout.split('\n').filter((line) => line.includes('users.'))
  return letters.map((line) => line.split('  ')).sort((a, b) => String(a[3]).localeCompare(String(b[3])))
}
const numbers = async () => (await broker.deadLetters()).map(({ seq }) => seq)

t.test('an empty list says so', async (t) => {
  await broker.publish(created(1))
  await visible(1, 1)
  t.match(await cliProgram('dlq', 'list'), { code: 0, output: /^0 dead letters\n$/ })
})

t.test('list shows each dead letter and its reason, and nothing of its content', async (t) => {
  await broker.publishBytes(subject(2), poison(2))
  await allHandled()
  t.match(
    await listed(),
    shapes.map((shape) => [/^\d+$/, /^\d{4}-\d\d-\d\dT/, 'unknown-schema-version', shape, subject(2)]),
  )
  const { stdout } = await cli('dlq', 'list')
  t.match(stdout, `\n${shapes.length} dead letters\n`)
  t.notMatch(stdout, /Jane|@/)
})

t.test('show prints one with its content', async (t) => {
  const { code, stdout } = await cli('dlq', 'show', String((await numbers())[0]))
  t.equal(code, 0)
  t.match(stdout, `content: ${poison(2)}`)
  t.match(stdout, /^consumer: user\w+_v\d$/m)
  t.match(stdout, /^detail: unknown-schema-version: /m)
})

t.test(
  'a replayed message reaches the consumer that failed, and no other; failing again it is one letter',
  async (t) => {
    const [first] = await broker.deadLetters()
    const consumer = first?.header.get('consumer')
    t.match(await cli('dlq', 'replay', String(first?.seq)), { code: 0, stdout: '1 replayed\n' })
    await eventually(
      async () => (await numbers()).length === shapes.length && !(await numbers()).includes(Number(first?.seq)),
    )
    await allHandled()
    const letters = await broker.deadLetters()
    t.strictSame(letters.map(({ header }) => header.get('consumer')).sort(), shapes)
    const last = letters.at(-1)
    t.equal(last?.header.get('consumer'), consumer)
    t.equal(last?.header.get('original-subject'), subject(2))
    t.equal(last?.subject, `users_dlq.${consumer}.${userId(2)}`)
  },
)

t.test('all replayed messages that still fail are one new letter of each consumer', async (t) => {
  const before = await numbers()
  t.match(await cli('dlq', 'replay', 'all'), { code: 0, stdout: `${shapes.length} replayed\n` })
  await eventually(async () => !(await numbers()).some((seq) => before.includes(seq)))
  await allHandled()
  t.strictSame((await broker.deadLetters()).map(({ header }) => header.get('consumer')).sort(), shapes)
})

t.test('letters are chosen by consumer and reason, tried without effect, and printed as JSON', async (t) => {
  const [shape = '', ...others] = shapes
  const before = await numbers()
  const tried = await cli('--json', 'dlq', 'drop', 'all', '--consumer', shape, '--dry-run')
  t.match(
    tried.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { consumer: shape, reason: 'unknown-schema-version', originalSubject: subject(2), seq: Number, time: String },
      { dropped: 0, matching: 1 },
    ],
  )
  t.notMatch(tried.stdout, /Jane/)
  t.match(await cli('dlq', 'list', '--reason', 'not-json'), { code: 0, stdout: '0 dead letters\n' })
  t.strictSame(await numbers(), before)
  t.match(await cli('dlq', 'replay', 'all', '--consumer', shape, '--reason', 'unknown-schema-version'), {
    code: 0,
    stdout: '1 replayed\n',
  })
  await eventually(async () => (await numbers()).filter((seq) => before.includes(seq)).length < before.length)
  await allHandled()
  const letters = await broker.deadLetters()
  t.equal(letters.length, shapes.length)
  const kept = letters.filter(({ seq }) => before.includes(seq)).map(({ header }) => header.get('consumer'))
  t.strictSame(kept.sort(), others, 'only the letter of this consumer was replayed')
})

t.test('drop deletes one, or all', async (t) => {
  const [first, ...others] = await listed()
  t.match(await cli('dlq', 'drop', String(first?.[0])), { code: 0, stdout: '1 dropped\n' })
  t.strictSame(await listed(), others)
  t.match(await cli('dlq', 'drop', 'all'), { code: 0, stdout: `${others.length} dropped\n` })
  t.strictSame(await numbers(), [])
})

t.test('a replayed message that no longer fails is applied, and its letter stays until then', async (t) => {
  mail.refuse(550)
  await broker.publish(created(3))
  await allHandled()
  mail.accept()
  t.match(await listed(), [[/\d/, /T/, 'mail-refused', 'welcome-email', `users.${userId(3)}.created`]])
  await cli('pause', 'welcome-email')
  t.match(await cli('dlq', 'replay', String((await numbers())[0])), { code: 0, stdout: '1 replayed\n' })
  t.equal((await numbers()).length, 1, 'NATS may lose the replay, so the letter stays')
  await cli('resume', 'welcome-email')
  await eventually(() => mail.mails.some(({ envelopeTo }) => envelopeTo[0] === 'user-3@example.com'))
  await allHandled()
  t.strictSame(await numbers(), [])
  t.equal(mail.mails.filter(({ envelopeTo }) => envelopeTo[0] === 'user-3@example.com').length, 1)
})

t.test('a letter can be dropped while its replay waits', async (t) => {
  mail.refuse(550)
  await broker.publish(created(4))
  await allHandled()
  mail.accept()
  const [letter] = await numbers()
  await cli('pause', 'welcome-email')
  await cli('dlq', 'replay', String(letter))
  t.match(await cli('dlq', 'drop', String(letter)), { code: 0, stdout: '1 dropped\n' })
  await cli('resume', 'welcome-email')
  await eventually(() => mail.mails.some(({ envelopeTo }) => envelopeTo[0] === 'user-4@example.com'))
  await allHandled()
  t.strictSame(await numbers(), [])
})

t.test('an old message is handled when an operator replays it', async () => {
  const old = { ...created(6), time: new Date(Date.now() - 5 * 24 * 3_600_000).toISOString() }
  await broker.publishBytes(`users_replay.welcome-email.users.${userId(6)}.created`, JSON.stringify(old))
  await eventually(() => mail.mails.some(({ envelopeTo }) => envelopeTo[0] === 'user-6@example.com'))
})

t.test('metrics report lag, batches and dead letters', async (t) => {
  await allHandled()
  const metrics = await projector.metrics()
  for (const line of [
    /^projector_lag_messages\{consumer="users_read_v1"\} 0$/m,
    /^projector_lag_messages\{consumer="welcome-email"\} 0$/m,
    /^projector_lag_seconds_count\{consumer="user_stats_v1"\} [1-9]/m,
    /^projector_batch_events_count\{consumer="users_read_v1"\} [1-9]/m,
    /^projector_dead_letters_total\{consumer="users_read_v1",reason="unknown-schema-version"\} [2-3]$/m,
    /^projector_dead_letters_total\{consumer="welcome-email",reason="mail-refused"\} 2$/m,
  ])
    t.match(metrics, line)
})

t.test('an unknown sequence is one line, and invalid arguments are named', async (t) => {
  t.match(await cli('dlq', 'show', '999'), { code: 1, output: /^error: there is no dead letter 999\n$/, stdout: /^$/ })
  for (const args of [['show', 'first'], ['throw', '1'], ['replay']]) {
    t.match(await cli('dlq', ...args), { code: 2, stdout: '', stderr: /^error: / }, args.join(' '))
  }
})

t.test('while NATS is unavailable the error is one line', async (t) => {
  await nats.server.stop()
  t.match(await cliProgram('dlq', 'list'), {
    code: 1,
    stdout: '',
    stderr: /^error: nats:[^\n]+ NATS is unavailable\n$/,
  })
})
