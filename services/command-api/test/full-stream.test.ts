import { usersStream } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import { createLogger, ensureStream, parseConfig } from '@cqrs/service-kit'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { Config } from '../src/config.ts'
import { createCommandApi } from '../src/service.ts'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t)
const users = api.database.db.collection<any>('users')
const nats = await connect({ servers: api.nats.url })
t.teardown(() => nats.close())
const { streams } = await jetstreamManager(nats)
const isWaiting = async (id: string) => (await users.findOne({ _id: id })).outbox.length > 0
const outboxOf = async (id: string) => (await users.findOne({ _id: id })).outbox.map(({ type }: any) => type)

t.test(
  'while the stream is full, events wait, a deletion erases, and afterwards everything is published',
  async (t) => {
    const [gone, other] = [await api.newUser({ name: 'Jane Unforgettable' }), await api.newUser()]
    for (const { user } of [gone, other]) await eventually(async () => !(await isWaiting(user.id)))
    const rename = ({ user, token }: typeof other, name: string) =>
      api.send('PUT', `/api/v1/users/${user.id}`, { name, roles: ['buyer'] }, token)

    await ensureStream(nats, { ...usersStream, maxBytes: 100_000 }, 1)
    await t.rejects(fill(), { message: 'maximum bytes exceeded' }, 'the stream is full')
    t.match(await rename(gone, 'Jane Unforgettable II'), { status: 200 })
    const warning = await eventually(() => api.logs.find(({ msg }) => /^publishing failed/.test(String(msg))) ?? false)
    t.match(warning, { err: { message: 'maximum bytes exceeded' } })
    const metrics = await (await fetch(`${api.url}/metrics`)).text()
    t.match(metrics, /^outbox_publish_failures_total [1-9]/m)

    const { user, email, token } = gone
    t.match(await api.send('DELETE', `/api/v1/users/${user.id}`, undefined, token), { status: 204 })
    t.ok(await api.published(user.id, 'deleted'), 'the purge has made room for it')
    t.notMatch(JSON.stringify(await stored()), new RegExp(`${email}|Unforgettable`))

    await t.rejects(fill(), { message: 'maximum bytes exceeded' })
    t.match(await rename(other, 'Waits'), { status: 200 })
    // The events of this one have left the stream, as if every consumer had handled them: its purge makes no room.
    const ofOther = { subjects_filter: `users.${other.user.id}.*` }
    const hasNone = async () => !(await streams.info(usersStream.name, ofOther)).state.subjects
    await eventually(async () => {
      await streams.purge(usersStream.name, { filter: ofOther.subjects_filter })
      await fill().catch(() => undefined)
      // What waits may have been published before the room was filled again.
      return hasNone()
    })
    await t.rejects(fill(), { message: 'maximum bytes exceeded' })
    await api.send('DELETE', `/api/v1/users/${other.user.id}`, undefined, other.token)
    await eventually(async () => (await users.findOne({ _id: other.user.id })).erasures === 1)
    t.strictSame(await outboxOf(other.user.id), ['UserDeleted'], 'it is erased, and the deletion waits')

    const config = parseConfig(Config, { ...api.replicaEnv, HOST: '127.0.0.1', PORT: '0' })
    const { relay, start, close } = await createCommandApi(config, { logger: createLogger('test', 'silent') })
    t.teardown(close)
    await start()
    t.ok(relay.isWell())
    const event = (await users.findOne({ _id: other.user.id })).outbox[0]
    await eventually(async () => !(await relay.deliver(event)) && !relay.isWell())

    await streams.purge(usersStream.name, { filter: 'users.filler.updated' })
    t.ok(await api.published(other.user.id, 'deleted'))
    await eventually(() => relay.deliver(event))
    t.ok(relay.isWell())
  },
)

/** Publishes until the broker refuses, in smaller and smaller messages. */
async function fill(): Promise<never> {
  for (let size = 16_000; ; )
    await jetstream(nats)
      .publish('users.filler.updated', 'x'.repeat(size))
      .catch((error) => {
        if (size < 10) throw error
        size /= 2
      })
}

async function stored(): Promise<string[]> {
  const { state } = await streams.info(usersStream.name)
  const texts: string[] = []
  for (let seq = state.first_seq; seq <= state.last_seq; seq++)
    texts.push((await streams.getMessage(usersStream.name, { seq }))?.string() ?? '')
  return texts
}
