import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { ChildServer, programOf, type ServiceName } from '@cqrs/local-stack'
import { freePort } from '@cqrs/local-stack/testing'

/** Another process of a service, with the connections of the stack's own process and a port of its own. */
export async function startReplica(
  name: ServiceName,
  { dataDir, env = {}, release }: { dataDir: string; env?: Record<string, string>; release?: string | undefined },
): Promise<{ server: ChildServer; url: string }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const server = new ChildServer({
    name: `second ${name}`,
    ...programOf(name, 'main', release),
    env: { ...environmentOf(name, dataDir), HOST: '127.0.0.1', PORT: String(port), ...env },
    output: () => {},
    ready: async () => (await fetch(`${url}/healthz`)).ok,
  })
  await server.start()
  return { server, url }
}

/** The connections and keys of the stack's own process, for programs that work on its data. */
export function environmentOf(name: ServiceName | 'operator', dataDir: string): NodeJS.ProcessEnv {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env
  return { PATH, HOME, NODE_COMPILE_CACHE, ...parseEnv(readFileSync(join(dataDir, 'env', `${name}.env`), 'utf8')) }
}
