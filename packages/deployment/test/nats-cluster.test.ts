import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { usersStream } from '@cqrs/contracts'
import { findNatsServer } from '@cqrs/local-stack'
import { eventually, freshDirectory } from '@cqrs/local-stack/testing'
import { ensureStream } from '@cqrs/service-kit'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { startCluster } from './kubernetes/nats-cluster.ts'
import { ofKind, overlays } from './kubernetes/overlays.ts'

const manifest = ofKind(overlays.get('local') ?? [], 'ConfigMap').find(({ metadata }) => /^nats-/.test(metadata.name))
const configuration = manifest?.data?.['nats-server.conf'] ?? ''

t.test(
  'three servers, configured as in the manifests, keep three copies of the stream and survive the loss of one',
  async (t) => {
    const nodes = await startCluster(t, configuration, await freshDirectory(t))
    const connection = await connect({ servers: nodes.map(({ url }) => url), reconnectTimeWait: 100 })
    t.teardown(() => connection.close())

    // The servers answer shortly before they have elected a leader.
    await eventually(() => ensureStream(connection, usersStream, 3).then(() => true), { timeoutMs: 30_000 })
    const events = jetstream(connection)
    const before = await events.publish('users.1.created', 'before')

    await nodes[1]?.server.kill()
    const after = await eventually(() => events.publish('users.1.updated', 'after'), { timeoutMs: 30_000 })
    t.ok(after.seq > before.seq)

    // The stopped server may have been the leader: until the others elect a new one, requests get no answer.
    const about = async () => (await jetstreamManager(connection)).streams.info(usersStream.name)
    const { config, state, cluster } = await eventually(about, { timeoutMs: 30_000 })
    t.equal(config.num_replicas, 3)
    t.equal(cluster?.replicas?.length, 2, 'two besides the leader')
    t.ok(state.messages >= 2)
  },
)

t.test('a server in lame duck mode, which the preStop hook starts, exits by itself', async (t) => {
  const [leaving] = await startCluster(t, configuration, await freshDirectory(t))
  await promisify(execFile)(await findNatsServer(), ['--signal', `ldm=${leaving?.pidFile}`])
  await eventually(() => leaving?.server.pid === undefined, { timeoutMs: 60_000 })
})
