import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { deadLetterStream, usersStream } from '@cqrs/contracts'
import { findNatsServer } from '@cqrs/local-stack'
import { eventually, freshDirectory } from '@cqrs/local-stack/testing'
import { ConfigError, ensureStream, streamSettings } from '@cqrs/service-kit'
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { HandledEvents } from '../../../services/command-api/src/publishing/handled-events.ts'
import { startCluster } from './kubernetes/nats-cluster.ts'
import { ofKind, overlays } from './kubernetes/overlays.ts'

const manifest = ofKind(overlays.get('local') ?? [], 'ConfigMap').find(({ metadata }) => /^nats-/.test(metadata.name))
// nats-fence.test.ts is about the users.
const configuration = (manifest?.data?.['nats-server.conf'] ?? '').replace('include "users.conf"', '')

t.test(
  'three servers, configured as in the manifests, keep three copies of the stream and survive the loss of one',
  async (t) => {
    const nodes = await startCluster(t, configuration, await freshDirectory(t))
    const connection = await connect({ servers: nodes.map(({ url }) => url), reconnectTimeWait: 100 })
    t.teardown(() => connection.close())

    // The servers answer shortly before they have elected a leader.
    await eventually(() => ensureStream(connection, usersStream, 3).then(() => true))
    const events = jetstream(connection)
    const before = await eventually(() => events.publish('users.1.created', 'before'))

    await nodes[1]?.server.kill()
    const after = await eventually(() => events.publish('users.1.updated', 'after'))
    t.ok(after.seq > before.seq)

    // The stopped server may have been the leader: until the others elect a new one, requests get no answer.
    const about = async () => (await jetstreamManager(connection)).streams.info(usersStream.name)
    const { config, state, cluster } = await eventually(about)
    t.equal(config.num_replicas, 3)
    t.equal(cluster?.replicas?.length, 2, 'two besides the leader')
    t.ok(state.messages >= 2)
  },
)

t.test('on three servers an existing stream forgets what is handled, also when its leader is killed', async (t) => {
  const nodes = await startCluster(t, configuration, await freshDirectory(t))
  const connection = await connect({ servers: nodes.map(({ url }) => url), reconnectTimeWait: 100 })
  t.teardown(() => connection.close())
  const [events, manager] = [jetstream(connection), await eventually(() => jetstreamManager(connection))]
  const small = { ...usersStream, maxBytes: 100_000 }
  const tooLarge = { ...usersStream, maxBytes: 2 ** 42 }
  const refusal = () => ensureStream(connection, tooLarge, 3).catch((error) => error instanceof ConfigError && error)
  t.match(await eventually(refusal), { message: /see STREAM_MAX_BYTES/ })

  await eventually(() => ensureStream(connection, small, 3).then(() => true))
  const info = () => eventually(() => manager.streams.info(usersStream.name))
  const publish = (msgID: string) => eventually(() => events.publish('users.1.created', 'x'.repeat(500), { msgID }))
  const hasOne = () => eventually(async () => (await info()).state.messages === 1)
  const handle = async (durable: string, count: number) => {
    for (let handled = 0; handled < count; ) {
      const consumer = await eventually(() => events.consumers.get(usersStream.name, durable))
      // Until a new leader is elected, a fetch may fail.
      const message = await consumer.next({ expires: 1_000 }).catch(() => null)
      if (await message?.ackAck()) handled++
    }
  }
  for (let n = 0; n < 10; n++) await publish(`before-${n}`)
  const durables = ['one', 'two']
  for (const durable_name of durables)
    await manager.consumers.add(usersStream.name, { durable_name, ack_policy: AckPolicy.Explicit })
  await handle('one', 10)
  await handle('two', 5)
  const handled = new HandledEvents()
  const purging = setInterval(() => void handled.purge(connection).catch(() => undefined), 500)
  t.teardown(() => clearInterval(purging))
  await eventually(async () => (await info()).state.messages === 5)
  await handle('two', 5)
  await hasOne()
  t.match(await publish('before-3'), { duplicate: true }, 'what has left is still recognised')

  const { cluster } = await info()
  await nodes[Number(cluster?.leader?.at(-1))]?.server.kill()
  for (let n = 0; n < 5; n++) await publish(`after-${n}`)
  t.equal((await info()).state.messages, 6)
  for (const durable of durables) await handle(durable, 5)
  await hasOne()
  t.match(await publish('before-3'), { duplicate: true })

  const fill = async () => {
    for (;;) await events.publish('users.1.created', 'x'.repeat(5_000))
  }
  await t.rejects(fill(), { message: 'maximum bytes exceeded' })
  await manager.streams.purge(usersStream.name, { filter: 'users.1.created' })
  t.ok(await events.publish('users.1.deleted', ''))
})

t.test('each NATS that is shipped has room for the streams', async (t) => {
  for (const [file, maxBytes] of [
    ['deploy/compose/nats.conf', Number(Reflect.get(streamSettings.STREAM_MAX_BYTES, 'default'))],
    ['k8s/components/nats/nats-server.conf', Number(settingOf('STREAM_MAX_BYTES'))],
  ] as const) {
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')
    const store = Number(/max_file_store: (\d+)GB/.exec(text)?.[1]) * 2 ** 30
    t.ok(maxBytes + deadLetterStream.maxBytes < 0.8 * store, `${file}: ${maxBytes} bytes of ${store}`)
  }
})

/** From the ConfigMaps of both services, which must agree. */
function settingOf(name: string): string | undefined {
  const found = ofKind(overlays.get('local') ?? [], 'ConfigMap').flatMap(({ data }) => data?.[name] ?? [])
  return found.length === 2 && found[0] === found[1] ? found[0] : undefined
}

t.test('a server in lame duck mode, which the preStop hook starts, exits by itself', async (t) => {
  const [leaving] = await startCluster(t, configuration, await freshDirectory(t))
  await promisify(execFile)(await findNatsServer(), ['--signal', `ldm=${leaving?.pidFile}`])
  await eventually(() => leaving?.server.pid === undefined)
})
