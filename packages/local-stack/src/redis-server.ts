import { connect } from 'node:net'
import { join } from 'node:path'
import { aptInstall } from './apt.ts'
import { ChildServer } from './child-server.ts'
import { run } from './run.ts'

export type RedisServer = {
  server: ChildServer
  /** For REDIS_URL. */
  url: string
}

/** Starts a Valkey or Redis server on 127.0.0.1 that keeps nothing on the disk. @param options more of its own options */
export async function startRedis(dataDir: string, port: number, options: readonly string[] = []): Promise<RedisServer> {
  const server = new ChildServer({
    name: 'redis',
    command: await findRedisServer(),
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', dataDir, '--save', '', ...options],
    output: join(dataDir, 'redis.log'),
    ready: () => answersPing(port),
  })
  await server.start()
  return { server, url: `redis://127.0.0.1:${port}` }
}

async function findRedisServer(): Promise<string> {
  const installed = await onPath()
  if (installed) return installed
  if (process.getuid?.() === 0) await aptInstall('redis-server').catch(() => {})
  const found = await onPath()
  if (!found) throw new Error('no Redis found. Install valkey-server or redis-server so that it is on PATH')
  return found
}

async function onPath(): Promise<string | undefined> {
  for (const command of ['valkey-server', 'redis-server']) {
    if (await run(command, ['--version']).catch(() => undefined)) return command
  }
  return undefined
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.setTimeout(1_000, () => socket.destroy(new Error('no answer')))
    socket.once('error', reject)
    socket.once('data', (answer) => {
      socket.destroy()
      resolve(answer.toString().startsWith('+PONG'))
    })
  })
}
