import { deadLetterStream, usersStream } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import { ensureStream } from '@cqrs/service-kit'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t)
const users = api.database.db.collection<any>('users')

t.test('after a deletion the stream has no other event of the user', async (t) => {
  const kept = await api.newUser()
  const { user, email, token } = await api.newUser({ name: 'Jane Unforgettable' })
  await api.send('PUT', `/api/v1/users/${user.id}`, { name: 'Jane Unforgettable II', roles: ['seller'] }, token)
  await api.published(user.id, 'updated')
  await api.send('DELETE', `/api/v1/users/${user.id}`, undefined, token)
  await eventually(async () => (await users.findOne({ _id: user.id })).outbox.length === 0)
  const stream = await api.stream()
  t.strictSame(
    stream.filter(({ subject }) => subject === user.id).map(({ type }) => type),
    ['UserDeleted'],
  )
  t.notMatch(JSON.stringify(stream), new RegExp(`${email}|Unforgettable`))
  t.ok(
    stream.some(({ subject }) => subject === kept.user.id),
    'events of other users stay',
  )
})

t.test('dead letters of a deleted user, also those that are being replayed, are erased', async (t) => {
  const connection = await connect({ servers: api.nats.url })
  t.teardown(() => connection.close())
  await ensureStream(connection, deadLetterStream, 1)
  const [gone, kept] = [await api.newUser(), await api.newUser()]
  const subjectsOf = (id: string) => [
    `users_dlq.users_read_v1.${id}`,
    `users_dlq.user_stats_v1.${id}`,
    `users_replay.users_read_v1.users.${id}.updated`,
  ]
  for (const { user } of [gone, kept])
    for (const subject of subjectsOf(user.id)) await jetstream(connection).publish(subject, gone.email)
  const { streams } = await jetstreamManager(connection)
  const left = async () => {
    const infos = [deadLetterStream.name, usersStream.name].map((name) => streams.info(name, { subjects_filter: '>' }))
    return (await Promise.all(infos)).flatMap(({ state }) => Object.keys(state.subjects ?? {}))
  }
  for (const subject of subjectsOf(gone.user.id)) t.ok((await left()).includes(subject), subject)
  await api.send('DELETE', `/api/v1/users/${gone.user.id}`, undefined, gone.token)
  await eventually(async () => {
    const now = await left()
    return !subjectsOf(gone.user.id).some((subject) => now.includes(subject))
  })
  for (const subject of subjectsOf(kept.user.id)) t.ok((await left()).includes(subject), subject)
  // The event stream has what no event is.
  await streams.purge(usersStream.name, { filter: 'users_replay.>' })
})

t.test('an erasure takes no event of another user from a consumer that has not handled it', async (t) => {
  const connection = await connect({ servers: api.nats.url })
  t.teardown(() => connection.close())
  const { consumers, streams } = await jetstreamManager(connection)
  await streams.purge(usersStream.name) // as if everything was handled so far
  await consumers.add(usersStream.name, { durable_name: 'slow', filter_subject: 'users.>', ack_policy: 'explicit' })
  const consumer = await jetstream(connection).consumers.get(usersStream.name, 'slow')
  const next = () => consumer.next({ expires: 10_000 })

  const kept = await api.newUser()
  const unhandled = await next()
  t.equal(unhandled?.subject, `users.${kept.user.id}.created`)
  const gone = await api.newUser()
  const created = `users.${gone.user.id}.created`
  t.equal((await next())?.subject, created)
  await api.send('DELETE', `/api/v1/users/${gone.user.id}`, undefined, gone.token)
  const deletion = await next()
  t.equal(deletion?.subject, `users.${gone.user.id}.deleted`)
  await eventually(async () => !(await streams.getMessage(usersStream.name, { last_by_subj: created })))
  await deletion?.ackAck()
  t.equal((await consumer.info()).ack_floor.stream_seq, Number(unhandled?.seq) - 1)
  unhandled?.nak()
  t.equal((await next())?.subject, unhandled?.subject, 'it is delivered again')
})

t.test('an event that arrives in the stream after the deletion of its user is deleted as well', async (t) => {
  const { user, email, token } = await api.newUser()
  const straggler = { ...(await api.published(user.id, 'created')), id: crypto.randomUUID() }
  await api.send('DELETE', `/api/v1/users/${user.id}`, undefined, token)
  await eventually(async () => (await users.findOne({ _id: user.id })).outbox.length === 0)
  // As if the process that wrote it publishes it only now.
  await users.updateOne({ _id: user.id }, { $set: { outbox: [straggler], pendingSince: new Date(0) } })
  await eventually(async () => (await users.findOne({ _id: user.id })).outbox.length === 0)
  await eventually(async () => !JSON.stringify(await api.stream()).includes(email))
  t.pass('it is gone')
})

t.test('an event that the broker refuses does not hold up the others', async (t) => {
  const { user } = await api.newUser()
  const other = await api.newUser()
  const created = await api.published(user.id, 'created')
  await eventually(async () => (await users.countDocuments({ pendingSince: { $exists: true } })) === 0)
  const tooLarge = { ...created, id: 'too large', data: { padding: 'x'.repeat(2_000_000) } }
  const fine = { ...(await api.published(other.user.id, 'created')), id: 'fine' }
  await users.updateOne({ _id: user.id }, { $set: { outbox: [tooLarge], pendingSince: new Date(0) } })
  await users.updateOne({ _id: other.user.id }, { $set: { outbox: [fine], pendingSince: new Date(1) } })
  await eventually(async () => (await users.findOne({ _id: other.user.id })).outbox.length === 0)
  t.ok((await api.stream()).some(({ id }) => id === 'fine'))
  t.match((await users.findOne({ _id: user.id })).outbox, [{ id: 'too large' }])
  const metrics = await (await fetch(`${api.url}/metrics`)).text()
  t.match(metrics, /^outbox_publish_failures_total [1-9]/m)
  t.match(metrics, /^outbox_pending_users 1$/m)
})
