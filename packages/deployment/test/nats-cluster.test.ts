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

t.test('three servers as in the manifests keep the stream in three copies, of which one may go', async (t) => {
  const nodes = await startCluster(t, configuration, await freshDirectory(t))
  const connection = await connect({ servers: nodes.map(({ url }) => url), reconnectTimeWait: 100 })
  t.teardown(() => connection.close())

  // The servers answer some moments before they have agreed on who leads.
  await eventually(() => ensureStream(connection, usersStream, 3).then(() => true), { timeoutMs: 30_000 })
  const events = jetstream(connection)
  const before = await events.publish('users.1.created', 'before')

  await nodes[1]?.server.kill()
  const after = await eventually(() => events.publish('users.1.updated', 'after'), { timeoutMs: 30_000 })
  t.ok(after.seq > before.seq)

  // The one that went may have led the cluster: until the others have chosen again, nobody answers what is asked of it.
  const about = async () => (await jetstreamManager(connection)).streams.info(usersStream.name)
  const { config, state, cluster } = await eventually(about, { timeoutMs: 30_000 })
  t.equal(config.num_replicas, 3)
  t.equal(cluster?.replicas?.length, 2, 'two beside the one that leads')
  t.ok(state.messages >= 2)
})

t.test('a server that the preStop hook tells to leave ends by itself', async (t) => {
  const [leaving] = await startCluster(t, configuration, await freshDirectory(t))
  await promisify(execFile)(await findNatsServer(), ['--signal', `ldm=${leaving?.pidFile}`])
  await eventually(() => leaving?.server.pid === undefined, { timeoutMs: 60_000 })
})
