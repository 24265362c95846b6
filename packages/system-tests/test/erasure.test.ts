import { deadLetterStream, readModelShapes, usersStream } from '@cqrs/contracts'
import { asNatsAdmin, eventually } from '@cqrs/local-stack/testing'
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { messagesOf, stores } from '../faults/stores.ts'
import { startSystem } from './system.ts'

const system = await startSystem(t)
const { send, newUser, logs, mails, write, read } = system
const nats = await connect(asNatsAdmin(system))
t.teardown(() => nats.close())
const manager = await jetstreamManager(nats)
// A consumer that handles nothing: the stream keeps every event for it.
await manager.consumers.add(usersStream.name, { durable_name: 'behind', ack_policy: AckPolicy.Explicit })

/** Part of the name and of every form of the address, and of nothing else. */
const trace = /zaphodella/i
const email = 'Zaphodella.Erasmus@example.com'

t.test('after a delete, the name and the address are stored nowhere', async (t) => {
  const other = await newUser()
  const { id, token } = await newUser({ email, name: 'Zaphodella Erasmus' })
  await send('PUT', `/api/v1/users/${id}`, { name: 'Zaphodella Renamed', roles: ['buyer', 'seller'] }, token)
  // Of an invalid type: it can never be applied, and becomes a dead letter that contains the address.
  await jetstream(nats).publish(`users.${id}.updated`, JSON.stringify({ type: 7, data: { user: { email } } }))

  const shown = () => send('GET', `/api/v1/users/${id}`, undefined, other.token)
  await eventually(async () => (await shown()).body.version === 2)
  await eventually(async () => (await mails()).some(({ to }) => trace.test(to[0].address)))
  // Of each consumer, which is one a shape.
  const letters = Object.values(readModelShapes).flat().length
  await eventually(
    async () =>
      (await messagesOf(manager, deadLetterStream.name)).filter((text) => trace.test(text)).length === letters,
  )
  for (const { name, texts } of await everything()) {
    if (name !== 'logs')
      t.ok(
        texts.some((text) => trace.test(text)),
        `before the delete it is in the ${name}`,
      )
  }

  t.equal((await send('DELETE', `/api/v1/users/${id}`, undefined, token)).status, 204)
  const found = async () =>
    (await everything()).flatMap(({ name, texts }) =>
      texts.filter((text) => trace.test(text)).map((text) => `${name}: ${text}`),
    )
  await eventually(async () => (await found()).length === 0).catch(() => {})
  t.strictSame(await found(), [])

  t.equal(await write.collection('sessions').countDocuments({ userId: id }), 0, 'no session is left')
  t.match(await shown(), { status: 404, body: { code: 'user-not-found' } })
  for (const path of ['/api/v1/users', '/api/v1/users/by-role/seller', '/api/v1/users/by-role/buyer'])
    t.notMatch(JSON.stringify((await send('GET', path, undefined, other.token)).body), trace, path)
})

t.test('the address can be registered again', async (t) => {
  const { status } = await send('POST', '/api/v1/auth/register', {
    email,
    password: 'password123',
    name: 'Somebody else',
    roles: ['buyer'],
  })
  t.equal(status, 201)
})

/** Everything that the system stores, as text. */
const everything = async () => [...(await stores({ write, read, nats })), { name: 'logs', texts: logs }]
