import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ChildServer, findNatsServer } from '@cqrs/local-stack'
import { freePort, type Teardown } from '@cqrs/local-stack/testing'

export type Node = { server: ChildServer; url: string; pidFile: string }

/**
 * Three NATS servers on this machine with the configuration of the pods, except for addresses and paths. They stop at
 * the end of the test.
 */
export async function startCluster(t: Teardown, configuration: string, directory: string): Promise<Node[]> {
  const command = await findNatsServer()
  const ports = await Promise.all(
    [0, 1, 2].map(async () => ({ client: await freePort(), monitor: await freePort(), cluster: await freePort() })),
  )
  const routed = ports.reduce(
    (text, { cluster }, i) => text.replace(`nats-${i}.nats-headless:6222`, `127.0.0.1:${cluster}`),
    configuration,
  )
  const nodes = ports.map(({ client, monitor, cluster }, i): Node => {
    const home = join(directory, `nats-${i}`)
    mkdirSync(home)
    const file = join(home, 'nats-server.conf')
    const pidFile = join(home, 'nats.pid')
    const own = routed
      .replace('0.0.0.0:4222', `127.0.0.1:${client}`)
      .replace('0.0.0.0:8222', `127.0.0.1:${monitor}`)
      .replace('0.0.0.0:6222', `127.0.0.1:${cluster}`)
      .replace('/run/nats/nats.pid', pidFile)
      .replace('store_dir: /data', `store_dir: ${join(home, 'data')}`)
    writeFileSync(file, own)
    const server = new ChildServer({
      name: `nats-${i}`,
      command,
      args: ['--config', file],
      env: { ...process.env, POD_NAME: `nats-${i}` },
      output: join(home, 'nats.log'),
      // The request of the pod's readiness probe.
      ready: async () => (await fetch(`http://127.0.0.1:${monitor}/healthz?js-server-only=true`)).ok,
    })
    return { server, url: `nats://127.0.0.1:${client}`, pidFile }
  })
  t.teardown(() => Promise.all(nodes.map(({ server }) => server.stop())))
  await Promise.all(nodes.map(({ server }) => server.start()))
  return nodes
}
