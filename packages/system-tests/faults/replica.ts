import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { ChildServer, type ServiceName } from '@cqrs/local-stack'
import { freePort } from '@cqrs/local-stack/testing'

/** Another process of a service, with the connections of the stack's own process and a port of its own. */
export async function startReplica(
  name: ServiceName,
  { dataDir, env = {} }: { dataDir: string; env?: Record<string, string> | undefined },
): Promise<{ server: ChildServer; baseUrl: string }> {
  const own = parseEnv(await readFile(join(dataDir, 'env', `${name}.env`), 'utf8'))
  const port = await freePort()
  const baseUrl = `http://127.0.0.1:${port}`
  const { PATH, HOME } = process.env
  const server = new ChildServer({
    name: `second ${name}`,
    command: process.execPath,
    args: [fileURLToPath(new URL(`../../../services/${name}/dist/main.js`, import.meta.url))],
    env: { PATH, HOME, HOST: '127.0.0.1', PORT: String(port), ...own, ...env },
    output: () => {},
    ready: async () => (await fetch(`${baseUrl}/healthz`)).ok,
  })
  await server.start()
  return { server, baseUrl }
}
