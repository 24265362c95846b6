import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { ChildServer } from './child-server.ts'
import { findNatsServer } from './find-nats-server.ts'
import type { Host } from './hosts/network.ts'
import type { Log } from './log.ts'

export type NatsOptions = {
  /** Holds the streams between runs. */
  dataDir: string
  logDir: string
  port: number
  /** Where it listens; default: 127.0.0.1. */
  host?: string
  /** Where it runs; `host` is its address. */
  on?: Host | undefined
  /** Further lines of its configuration file. */
  configuration?: string
  /** Gets the progress of a download. */
  log?: Log | undefined
}

export type NatsServer = {
  server: ChildServer
  /** For NATS_URL. */
  url: string
  /** Replaces the further lines of the configuration of the running server, which reloads them. */
  reconfigure: (configuration: string) => Promise<void>
  /** What it has logged since its first start. */
  log: () => Promise<string>
}

/** Starts a NATS server with JetStream. */
export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const { dataDir, logDir, port, host = '127.0.0.1', on } = options
  await mkdir(dataDir, { recursive: true })
  const configFile = join(dataDir, 'nats-server.conf')
  const logFile = join(logDir, 'nats.log')
  const configure = (more = '') => writeFile(configFile, configuration(dataDir, `${host}:${port}`) + more)
  await configure(options.configuration)
  const server = new ChildServer({
    name: 'nats',
    command: await findNatsServer(options.log),
    args: ['--config', configFile],
    on,
    output: logFile,
    ready: () => greets(port, host),
  })
  await server.start()
  return {
    server,
    url: `nats://${host}:${port}`,
    async reconfigure(more) {
      await configure(more)
      if (server.pid) process.kill(server.pid, 'SIGHUP')
    },
    log: () => readFile(logFile, 'utf8'),
  }
}

function configuration(dataDir: string, address: string): string {
  return `listen: "${address}"
jetstream {
  store_dir: ${JSON.stringify(join(dataDir, 'jetstream'))}
  # More than STREAM_MAX_BYTES and the dead letters, which the server reserves.
  max_file_store: 2GB
  # By default a message is acknowledged up to two minutes before it is synced to disk.
  sync_interval: always
}
`
}

// The server sends INFO to each new connection as soon as it accepts clients.
function greets(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host)
    socket.setTimeout(1_000, () => socket.destroy(new Error('no greeting')))
    socket.once('error', reject)
    socket.once('data', (greeting) => {
      socket.destroy()
      resolve(greeting.toString().startsWith('INFO '))
    })
  })
}
