import { readFileSync } from 'node:fs'
import { appliedSubject, deadLetterStream, readModelShapes, shapeName, usersStream } from '@cqrs/contracts'
import { natsFence, startNats } from '@cqrs/local-stack'
import { freePort, freshDirectory } from '@cqrs/local-stack/testing'
import { ensureStream, type NatsUser, natsUsers } from '@cqrs/service-kit'
import { connect, errors, type NatsConnection } from '@nats-io/transport-node'
import t from 'tap'

// A shape has a durable consumer of its name.
const shapes = Object.entries(readModelShapes).flatMap(([name, all]) => all.map((shape) => shapeName(name, shape)))
/** Consumers of earlier releases. */
const retired = ['dead-letter-erasure', 'users_read', 'user_stats']

/** What each process may publish, and what it may subscribe to. Everything else in this file is refused to it. */
const jobs: Record<Exclude<NatsUser, 'admin'>, { publish: string[]; subscribe: string[] }> = {
  'command-api': {
    publish: [
      'users.1.created',
      'users.1.updated',
      'users.1.deleted',
      ...['INFO', 'CREATE', 'UPDATE', 'PURGE'].map((call) => `$JS.API.STREAM.${call}.USERS`),
      ...['INFO', 'CREATE', 'UPDATE', 'PURGE'].map((call) => `$JS.API.STREAM.${call}.USERS_DLQ`),
      '$JS.API.STREAM.MSG.GET.USERS',
      '$JS.API.STREAM.MSG.DELETE.USERS',
      '$JS.API.CONSUMER.LIST.USERS',
    ],
    // Of a subscription, NATS takes the > for a name.
    subscribe: ['users_sync.page', 'users_sync.digest', 'users_sync.>', 'status', '_INBOX.command-api.1'],
  },
  projector: {
    publish: [
      ...shapes.map((shape) => appliedSubject(shape)),
      'users_dlq.users_read_v1.1',
      'users_sync.page',
      'users_sync.republish',
      '$JS.API.STREAM.INFO.USERS',
      '$JS.API.STREAM.INFO.USERS_DLQ',
      '$JS.API.STREAM.MSG.GET.USERS',
      '$JS.API.STREAM.MSG.DELETE.USERS_DLQ',
      ...retired.map((durable) => `$JS.API.CONSUMER.DELETE.USERS.${durable}`),
      ...[...shapes, 'welcome-email'].flatMap((durable) => [
        `$JS.ACK.USERS.${durable}.1.2.3.4.5`,
        ...['INFO', 'DURABLE.CREATE', 'PAUSE', 'MSG.NEXT'].map((call) => `$JS.API.CONSUMER.${call}.USERS.${durable}`),
      ]),
      ...['other', ...retired].map((durable) => `$JS.API.CONSUMER.INFO.USERS.${durable}`),
      ...[...shapes, 'welcome-email', 'other', ...retired].map(
        (durable) => `$JS.API.CONSUMER.LEADER.STEPDOWN.USERS.${durable}`,
      ),
    ],
    subscribe: ['status', '_INBOX.projector.1'],
  },
  'query-api': { publish: [], subscribe: ['*.applied', 'status', ...shapes.map((shape) => appliedSubject(shape))] },
  migrate: {
    publish: [
      ...['INFO', 'CREATE', 'UPDATE'].map((call) => `$JS.API.STREAM.${call}.USERS`),
      ...['INFO', 'CREATE', 'UPDATE'].map((call) => `$JS.API.STREAM.${call}.USERS_DLQ`),
      ...[...shapes, 'welcome-email', 'other', ...retired].flatMap((durable) =>
        ['INFO', 'DURABLE.CREATE', 'PAUSE', 'DELETE'].map((call) => `$JS.API.CONSUMER.${call}.USERS.${durable}`),
      ),
    ],
    subscribe: ['_INBOX.migrate.1'],
  },
  operator: {
    publish: [
      'users_sync.page',
      'users_sync.republish',
      'status',
      'users_replay.users_read_v1.users.1.updated',
      '$JS.API.STREAM.INFO.USERS',
      '$JS.API.STREAM.MSG.GET.USERS',
      '$JS.API.STREAM.INFO.USERS_DLQ',
      '$JS.API.STREAM.MSG.GET.USERS_DLQ',
      '$JS.API.STREAM.MSG.DELETE.USERS_DLQ',
      ...[...shapes, 'welcome-email', 'other', ...retired].flatMap((durable) =>
        ['INFO', 'PAUSE', 'DELETE'].map((call) => `$JS.API.CONSUMER.${call}.USERS.${durable}`),
      ),
    ],
    subscribe: ['_INBOX.operator.1'],
  },
}

/** Nobody's job. */
const foreign = [
  'users.1.created.more',
  'users.1.erased',
  'users_sync',
  'other.subject',
  '_INBOX.1',
  ...natsUsers.map((user) => `_INBOX.${user}.1`),
  '$SYS.REQ.SERVER.PING',
  '$JS.API.INFO',
  '$JS.API.STREAM.LIST',
  '$JS.API.STREAM.NAMES',
  '$JS.API.STREAM.CREATE.OTHER',
  '$JS.API.META.LEADER.STEPDOWN',
  '$JS.API.SERVER.REMOVE',
  '$JS.API.ACCOUNT.PURGE.$G',
  '$KV.bucket.key',
  ...['USERS', 'USERS_DLQ'].flatMap((stream) => [
    ...['DELETE', 'RESTORE', 'SNAPSHOT', 'PEER.REMOVE', 'LEADER.STEPDOWN'].map(
      (call) => `$JS.API.STREAM.${call}.${stream}`,
    ),
    ...['CREATE', 'NAMES', 'LIST'].map((call) => `$JS.API.CONSUMER.${call}.${stream}`),
    `$JS.API.CONSUMER.CREATE.${stream}.users_read_v1`,
    `$JS.API.CONSUMER.CREATE.${stream}.users_read_v1.users.1.updated`,
    `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.users_read_v1`,
    `$JS.API.CONSUMER.DELETE.${stream}.users_read_v1`,
    `$JS.API.CONSUMER.RESET.${stream}.users_read_v1`,
    `$JS.API.CONSUMER.UNPIN.${stream}.users_read_v1`,
    `$JS.API.CONSUMER.LEADER.STEPDOWN.${stream}.users_read_v1`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.users_read_v1`,
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.users.1.updated`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.ACK.${stream}.users_read_v1.1.2.3.4.5`,
    `$JS.FC.${stream}.users_read_v1.1`,
  ]),
]
const published = [...new Set([...Object.values(jobs).flatMap(({ publish }) => publish), ...foreign])]
const subscribed = [
  ...new Set(Object.values(jobs).flatMap(({ subscribe }) => subscribe)),
  ...['>', '*', '*.*', 'users.>', 'users.*.created', 'users_dlq.>', 'users_replay.>', '_INBOX.>'],
  ...['_INBOX.*.1', '$JS.>', '$JS.API.>', '$JS.EVENT.ADVISORY.>', '$JS.ACK.>', '$SYS.>'],
]

const dataDir = await freshDirectory(t)
const fence = await natsFence(dataDir)
const { configuration } = fence
const nats = await startNats({ dataDir, logDir: dataDir, port: await freePort(), configuration })
t.teardown(() => nats.server.stop())

async function connectAs(user: NatsUser): Promise<NatsConnection> {
  const pass = readFileSync(fence.settings[user].NATS_PASSWORD_FILE, 'utf8')
  const connection = await connect({ servers: nats.url, user, pass, inboxPrefix: `_INBOX.${user}` })
  t.teardown(() => connection.close())
  return connection
}
const admin = await connectAs('admin')
for (const stream of [usersStream, deadLetterStream]) await ensureStream(admin, stream, 1)

for (const [user, { publish, subscribe }] of Object.entries(jobs) as [keyof typeof jobs, (typeof jobs)['migrate']][]) {
  t.test(`${user} may do its job, and nothing that is not its job`, async (t) => {
    const connection = await connectAs(user)
    const denied = { publish: new Set<string>(), subscription: new Set<string>() }
    void (async () => {
      for await (const status of connection.status()) {
        if (status.type !== 'error' || !(status.error instanceof errors.PermissionViolationError)) continue
        denied[status.error.operation].add(status.error.subject)
      }
    })()
    // No content: what is allowed is malformed here, and changes nothing that a later subject needs.
    for (const subject of published) connection.publish(subject, 'x')
    for (const subject of subscribed) connection.subscribe(subject, { callback: () => {} })
    // The server answers in order.
    await connection.flush()
    await connection.flush()
    const allowed = (all: string[], refused: Set<string>) => all.filter((subject) => !refused.has(subject)).sort()
    t.strictSame(allowed(published, denied.publish), [...publish].sort(), 'publish')
    t.strictSame(allowed(subscribed, denied.subscription), [...subscribe].sort(), 'subscribe')
  })
}

for (const [answering, asking, subject] of [
  ['command-api', 'projector', 'users_sync.page'],
  ['command-api', 'operator', 'status'],
  ['projector', 'operator', 'status'],
  ['query-api', 'operator', 'status'],
] as const)
  t.test(`${answering} may answer whoever asks it on ${subject}, once, and nobody else`, async (t) => {
    const [answerer, asker] = [await connectAs(answering), await connectAs(asking)]
    const subscription = answerer.subscribe(subject, {
      callback: (_, message) => {
        message.respond('first')
        message.respond('second')
      },
    })
    await answerer.flush()
    const answers: string[] = []
    asker.subscribe(`_INBOX.${asking}.own`, { callback: (_, { data }) => void answers.push(String(data)) })
    asker.publish(subject, 'x', { reply: `_INBOX.${asking}.own` })
    const { data } = await asker.request(subject, 'x')
    t.equal(new TextDecoder().decode(data), 'first')
    await answerer.flush()
    await asker.flush()
    t.equal(answers.length, 1)
    subscription.unsubscribe()
  })

t.test('a wrong password, a missing one, and the user of another are refused', async (t) => {
  const pass = readFileSync(fence.settings['query-api'].NATS_PASSWORD_FILE, 'utf8')
  for (const credentials of [
    {},
    { user: 'query-api', pass: 'x' },
    { user: 'command-api', pass },
    { user: 'other', pass },
  ])
    await t.rejects(connect({ servers: nats.url, ...credentials, reconnect: false }), errors.AuthorizationError)
})
