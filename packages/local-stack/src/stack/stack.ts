import { join, resolve } from 'node:path'
import { generateKeyFiles } from '@cqrs/service-kit'
import { startGateway } from '../gateway/gateway.ts'
import type { Log } from '../log.ts'
import { startMail } from '../mail-server.ts'
import { type NatsFence, natsFence } from '../nats-fence.ts'
import { startNats } from '../nats-server.ts'
import { lockData } from './data-lock.ts'
import { type GivenDatabases, startDatabases } from './databases.ts'
import { anyPorts, claimPorts, type PortName, type Ports } from './ports.ts'
import {
  type Environment,
  migrate,
  type ProgramName,
  type ServiceName,
  startService,
  writeEnvironment,
} from './services.ts'
import { allServers, becomesReady, type Servers, stopAll } from './together.ts'

export type StackOptions = {
  /** Data, keys, passwords and logs; kept between runs. */
  dataDir: string
  /** Default: every part on a free port. */
  ports?: Ports
  /** Databases to use instead of starting MongoDB. */
  databases?: GivenDatabases | undefined
  /** A mail server to use instead of starting the one that shows the e-mails. */
  smtpUrl?: string | undefined
  /** Environment variables for every service. Connections and secrets are removed from them. */
  settings?: NodeJS.ProcessEnv
  /** Whether the operator's console is started. */
  withConsole?: boolean
  /** Folders of other built releases that single services are of. */
  releases?: Partial<Record<ProgramName, string>>
  /** Environment variables of single services, which take precedence over everything else. */
  env?: Partial<Record<ProgramName, Environment>>
  /** Gets progress messages. */
  onProgress?: Log
  /** Gets each line that a service or the gateway logs, normally as JSON. */
  onLogLine?: Log
}

export type Stack = {
  /** The URL of the gateway, without a trailing slash. */
  baseUrl: string
  /** The page that shows the e-mails; `/api/email` below it lists them as JSON. */
  mailUrl: string
  /** Connection strings: of each service with its own rights, and of both databases with those of an administrator. */
  uris: Record<ServiceName | 'write' | 'read' | 'nats', string>
  /** The settings with which each process connects to NATS. */
  natsUsers: NatsFence['settings']
  /** For tests that stop parts. Databases and mail server are absent if their URLs were given. */
  servers: Servers
  ports: Ports
  stop: () => Promise<void>
}

/**
 * Starts the whole system, and waits until /healthz of the gateway answers 200. If a part fails, all parts are stopped.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const dataDir = resolve(options.dataDir)
  const release = await lockData(dataDir, options.onProgress ?? (() => {}))
  try {
    const stack = await startParts({ ...options, dataDir })
    return { ...stack, stop: () => stack.stop().then(release) }
  } catch (error) {
    await release()
    throw error
  }
}

async function startParts(options: StackOptions): Promise<Stack> {
  const { dataDir, databases, smtpUrl, settings = {}, onProgress = () => {}, onLogLine = () => {} } = options
  const ports = await claimPorts(options.ports ?? anyPorts, [
    ...(databases ? (['mongodb', 'mongodb-read'] as const) : []),
    ...(smtpUrl ? (['smtp', 'mail-web'] as const) : []),
    ...(options.withConsole ? [] : (['operator'] as const)),
  ])
  const urlOf = (part: PortName, scheme = 'http') => `${scheme}://127.0.0.1:${ports[part]}`
  const directory = (name: string) => ({ dataDir: join(dataDir, name), logDir: join(dataDir, 'logs') })

  const envFileOf = (name: string) => join(dataDir, 'env', `${name}.env`)

  /** The collections, streams and consumers of one side. */
  const migrateSide = async (name: 'command-api' | 'projector') => {
    const [own, { settings: users }] = await Promise.all([connections[name](), fence, nats])
    await migrate({ name, release: options.releases?.[name], own: { ...own, ...users.migrate }, settings })
  }
  const start = async (name: ProgramName, migrated: Promise<unknown>, overrides: Environment = {}) => {
    const [own, { settings: users }] = await Promise.all([connections[name](), fence, migrated])
    return startService({
      name,
      release: options.releases?.[name],
      port: ports[name],
      own: { ...own, ...users[name] },
      envFile: envFileOf(name),
      overrides: { ...overrides, ...options.env?.[name] },
      settings,
      onLine: onLogLine,
    })
  }
  /** It works on the projector's database, with rights of its own at the broker. */
  const startOperator = async () => {
    if (options.withConsole) return start('operator', readSide)
    // For the command line, also that of an earlier release.
    const own = { ...(await connections.operator()), SMTP_URL, ...(await fence).settings.operator }
    await writeEnvironment(envFileOf('operator'), own)
    return {}
  }

  // All parts start at the same time. A service waits for what it would otherwise log as missing or unavailable.
  const keys = generateKeyFiles(join(dataDir, 'keys'))
  const { write, read } = startDatabases({ ...directory(''), ports }, databases, onProgress)
  const NATS_URL = urlOf('nats', 'nats')
  const SMTP_URL = smtpUrl ?? urlOf('smtp', 'smtp')
  const fence = natsFence(join(dataDir, 'nats'))
  const nats = fence.then(({ configuration }) =>
    startNats({ ...directory('nats'), port: ports.nats, configuration, log: onProgress }),
  )
  const connections: Record<ProgramName, () => Promise<Environment>> = {
    'command-api': async () => ({
      MONGODB_URI: (await write).uris['command-api'],
      NATS_URL,
      JWT_SIGNING_KEY_FILE: (await keys).signingKeyFile,
      JWKS_FILE: (await keys).jwksFile,
      ...forDevelopment(settings),
    }),
    projector: async () => ({ MONGODB_READ_URI: (await read).uris.projector, NATS_URL, SMTP_URL }),
    'query-api': async () => ({
      MONGODB_READ_URI: (await read).uris['query-api'],
      NATS_URL,
      JWKS_FILE: (await keys).jwksFile,
    }),
    operator: async () => ({
      MONGODB_READ_URI: (await read).uris.projector,
      NATS_URL,
      JWKS_FILE: (await keys).jwksFile,
    }),
  }
  const mail = smtpUrl
    ? Promise.resolve({})
    : startMail({ ...directory('mail'), smtpPort: ports.smtp, webPort: ports['mail-web'] })
  const readSide = migrateSide('projector')
  const parts = {
    mongodb: write,
    'mongodb-read': read,
    nats,
    mail,
    'command-api': start('command-api', migrateSide('command-api'), firstAdmin(settings)),
    projector: start('projector', Promise.all([readSide, mail])),
    'query-api': start('query-api', readSide),
    operator: startOperator(),
    gateway: startGateway(
      ports.gateway,
      { 'command-api': urlOf('command-api'), 'query-api': urlOf('query-api'), projector: urlOf('projector') },
      { onLogLine, ...(options.withConsole && { console: urlOf('operator') }) },
    ),
  }
  const stop = () => stopAll(parts)
  try {
    const servers = await allServers(parts)
    await becomesReady(`${urlOf('gateway')}/healthz`, Object.values(servers))
    return {
      baseUrl: urlOf('gateway'),
      mailUrl: urlOf('mail-web'),
      uris: {
        ...(await write).uris,
        ...(await read).uris,
        write: (await write).rootUri,
        read: (await read).rootUri,
        nats: NATS_URL,
      },
      natsUsers: (await fence).settings,
      servers,
      ports,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Where production is stricter: here all clients share one address, and their passwords are examples. */
function forDevelopment(settings: NodeJS.ProcessEnv): Environment {
  const fallbacks = {
    TRUSTED_PROXIES: '127.0.0.1',
    PASSWORD_DENY_COMMON: 'off',
    RATE_LIMIT_REGISTER: '0',
    RATE_LIMIT_LOGIN: '0',
    RATE_LIMIT_REFRESH: '0',
    RATE_LIMIT_CHANGE: '0',
  }
  return Object.fromEntries(Object.entries(fallbacks).map(([name, value]) => [name, settings[name] ?? value]))
}

function firstAdmin({ ADMIN_EMAIL, ADMIN_PASSWORD }: NodeJS.ProcessEnv): Environment {
  return { ...(ADMIN_EMAIL && { ADMIN_EMAIL }), ...(ADMIN_PASSWORD && { ADMIN_PASSWORD }) }
}
