import { randomUUIDv7 } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { asNatsAdmin, eventually, findPromtool, freshDirectory, type Promtool } from '@cqrs/local-stack/testing'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { notFiring, type Scrape } from './firing-alerts.ts'
import { startSystem } from './system.ts'

// What an operator sees of each main fault while it lasts: the alerts that fire if it lasts, and what `status` says,
// which is also what the console shows. The metrics are those of the running processes.
t.setTimeout(500_000)
const settings = {
  RATE_LIMIT_LOGIN: '0',
  RATE_LIMIT_REGISTER: '0',
  RATE_LIMIT_CHANGE: '0',
  STREAM_MAX_BYTES: String(1024 ** 2),
  VERIFY_EVERY_SECONDS: '1',
}
const promtool = await findPromtool()
if (promtool) await watchFaults(promtool)
else t.test('alerts', { skip: 'needs promtool on PATH, or apt-get of Debian for the package `prometheus`' }, () => {})

async function watchFaults(promtool: Promtool): Promise<void> {
  const system = await startSystem(t, {}, { ownServers: true, settings })
  const { baseUrl, send, newUser, servers, ports } = system
  const [users, usersRead] = [system.write.collection<any>('users'), system.read.collection<any>('users_read_v1')]
  const { id, token } = await newUser()
  const directory = await freshDirectory(t)

  const faults: Record<string, Fault> = {
    nothing: { alerts: [] },
    'a message that cannot be handled': {
      begin: () => publish(`users.${randomUUIDv7()}.updated`, '{"type": "UserUpdated"}'),
      end: () => system.projector('dlq', 'drop', 'all').ended,
      alerts: ['DeadLetters'],
      says: /^users_read_v1: 1 dead letter$/,
    },
    'the write database comes back older': {
      begin: () => users.updateOne({ _id: id }, { $inc: { version: -1 } }),
      end: () => users.updateOne({ _id: id }, { $inc: { version: 1 } }),
      alerts: ['ReadModelDiffers'],
      says: /^users_read_v1: 1 users differ/,
    },
    'the write database does not know many users of a read model': {
      begin: async () => {
        const known = await usersRead.findOne({ _id: id })
        const ids = Array.from({ length: 12 }, (_, n) => `019a6f0c-3b5e-7c21-9d52-${String(n).padStart(12, '0')}`)
        await usersRead.insertMany(ids.map((_id) => ({ ...known, _id, name: 'Silent' })))
      },
      end: () => usersRead.deleteMany({ name: 'Silent' }),
      alerts: ['DeletionsHeld', 'ReadModelDiffers'],
      says: /^users_read_v1: the write side does not know 12 users/,
    },
    'the projector is stopped': {
      begin: () => servers.projector.kill(),
      end: () => servers.projector.start(),
      load: () => rename(),
      alerts: ['ConsumerStuck', 'InstanceNotReady', 'ReadModelNotCompared', 'ServiceDown'],
      says: /^projector: no replica answers$/,
    },
    'NATS is unavailable': {
      begin: () => servers.nats.kill(),
      end: () => servers.nats.start(),
      load: () => rename(),
      alerts: ['InstanceNotReady', 'NatsUnavailable', 'OutboxNotDraining', 'ReadModelNotCompared'],
      says: /^NATS does not answer/,
    },
    'NATS is full': {
      begin: fillStream,
      end: () => asAdmin(({ manager }) => manager.consumers.delete('USERS', 'archive')),
      load: () => rename(),
      // ConsumerStuck is that of the consumer which fills it.
      alerts: ['ConsumerStuck', 'InstanceNotReady', 'JetStreamRefuses', 'OutboxNotDraining', 'StreamNearlyFull'],
      says: /^command-api .* is degraded: .*outbox/,
    },
    'more logins than the queue of hashes takes': {
      load: () => Promise.all(Array.from({ length: 200 }, logIn)),
      alerts: ['PasswordHashesRefused'],
    },
    'the mail server is unavailable': {
      begin: () => servers.mail?.kill(),
      end: () => servers.mail?.start(),
      load: () => newUser(),
      alerts: ['InstanceNotReady', 'MailsNotDelivered'],
      says: /^projector .* is degraded: mail/,
    },
    'the read database is unavailable': {
      begin: () => servers['mongodb-read']?.kill(),
      end: () => servers['mongodb-read']?.start(),
      load: () => Promise.all([rename(), send('GET', '/api/v1/users', undefined, token)]),
      alerts: ['ConsumerStuck', 'ErrorBudgetBurnsFast', 'InstanceNotReady', 'ReadModelNotCompared'],
      says: /^the read database does not answer$/,
    },
    'the write database is unavailable': {
      begin: () => servers.mongodb?.kill(),
      end: () => servers.mongodb?.start(),
      load: () => rename(),
      alerts: ['ErrorBudgetBurnsFast', 'InstanceNotReady', 'ReadModelNotCompared'],
      says: /^command-api .* is unready: .*mongodb/,
    },
  }

  for (const [name, { begin, load, end, alerts, says }] of Object.entries(faults)) {
    t.test(`${name}: ${alerts.join(', ') || 'no alert'}`, async (t) => {
      let health = ''
      const isWell = async () => {
        const answer = await fetch(`${baseUrl}/healthz`)
        health = await answer.text()
        return answer.ok
      }
      await eventually(isWell).catch(() => t.fail(health))
      await begin?.()
      try {
        let mistake: string | undefined
        const attempt = async () => {
          mistake = await differs(alerts, load)
          return mistake === undefined
        }
        await eventually(attempt, { timeoutMs: 40_000 }).catch((error) => t.fail(mistake ?? String(error)))
        let said: string[] = []
        const isSaid = async () => {
          said = await problems()
          return says ? said.some((problem) => says.test(problem)) : said.length === 0
        }
        await eventually(isSaid).catch(() => t.strictSame(said, says))
      } finally {
        await end?.()
      }
    })
  }

  /** What fires else than these alerts, or undefined. */
  async function differs(alerts: string[], load?: () => Promise<unknown>): Promise<string | undefined> {
    const first = await scrape()
    // Several comparisons.
    await Promise.all([load?.(), delay(3_000)])
    return await notFiring(promtool, alerts, [first, await scrape()], directory)
  }

  function rename(user = { id, token }) {
    return send('PUT', `/api/v1/users/${user.id}`, { name: `Jo ${Date.now()}`, roles: ['buyer'] }, user.token)
  }
  function logIn() {
    return send('POST', '/api/v1/auth/login', { email: `${randomUUIDv7()}@example.com`, password: 'none' })
  }

  async function problems(): Promise<string[]> {
    const { stdout } = await system.projector('--json', 'status').ended
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    return lines.flatMap(({ problem }) => problem ?? [])
  }

  async function scrape(): Promise<Scrape> {
    const services = ['command-api', 'projector', 'query-api'] as const
    const ask = async (service: (typeof services)[number]) =>
      await (await fetch(`http://127.0.0.1:${ports[service]}/metrics`)).text()
    const answers = services.map(async (name) => [name, await ask(name).catch(() => undefined)] as const)
    return { at: Date.now(), answers: Object.fromEntries(await Promise.all(answers)) }
  }

  async function asAdmin<Result>(work: (broker: Broker) => Promise<Result>): Promise<Result> {
    const connection = await connect(asNatsAdmin(system))
    const broker = { messages: jetstream(connection), manager: await jetstreamManager(connection) }
    return await work(broker).finally(() => connection.close())
  }
  function publish(subject: string, content: string) {
    return asAdmin(({ messages }) => messages.publish(subject, content))
  }
  /** Repeats an old event until there is no room. A consumer of somebody else, which handles nothing, keeps them. */
  async function fillStream() {
    await asAdmin(async ({ manager, messages }) => {
      await manager.consumers.add('USERS', { durable_name: 'archive', ack_policy: 'explicit' })
      await rename()
      const lookUp = () => manager.streams.getMessage('USERS', { last_by_subj: `users.${id}.updated` })
      const event = await eventually(async () => (await lookUp().catch(() => null)) ?? false)
      const repeat = () =>
        messages.publish(event.subject, event.data).then(
          () => true,
          () => false,
        )
      while ((await Promise.all(Array.from({ length: 50 }, repeat))).every(Boolean));
    })
  }
}

type Broker = { messages: ReturnType<typeof jetstream>; manager: Awaited<ReturnType<typeof jetstreamManager>> }

type Fault = {
  begin?: () => Promise<unknown> | undefined
  end?: () => Promise<unknown> | undefined
  /** What clients do while it lasts. */
  load?: () => Promise<unknown>
  /** Those that fire if it lasts. */
  alerts: string[]
  /** A problem that `status` names; default: it names none. */
  says?: RegExp
}
