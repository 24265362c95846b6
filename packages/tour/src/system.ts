import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { UserClient } from '@cqrs/client'
import {
  deadLetterStream,
  type LiveShape,
  readModelsCollection,
  type ShapeState,
  shapeName,
  usersStream,
} from '@cqrs/contracts'
import { programOf, type Running, readReadiness, readRunning } from '@cqrs/local-stack'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type Collection, type Db, MongoClient } from 'mongodb'
import { until } from './kit.ts'
import { Processes } from './processes.ts'

/** Any document of the system: its `_id` is that of a user, or a name. */
export type Doc = { _id: string; version?: number; [field: string]: unknown }
export type Mail = { id: string; subject: string; to: { address: string }[] }

/** The running system, seen from everywhere: as a client, as an administrator of its servers, as its operator. */
export type System = Awaited<ReturnType<typeof connectTo>>

/**
 * The system that `npm start` runs in this directory.
 * @throws Error with what to do, if there is none, or it is not one to play with
 */
export async function findSystem(dataDir: string): Promise<Running> {
  const running = await readRunning(dataDir)
  if (running === undefined) throw new Error(`nothing runs in ${dataDir}: run \`npm start\`, in another terminal`)
  if (running === 'starting') throw new Error(`the system in ${dataDir} is starting; try again in a moment`)
  const waiting = await notReady(running)
  if (waiting.length > 0) throw new Error(`not ready: ${waiting.join(', ')}; \`npm run status\` says why`)
  const settings = await settingsIn(dataDir)
  const uris = [settings.write, settings.read]
  const hosts = uris.flatMap((uri) => new MongoClient(uri).options.hosts.map(({ host = '' }) => host))
  if (!(hosts.length >= uris.length && hosts.every((host) => local.has(host))))
    throw new Error('the databases of this system are not on this machine: the tour plays only with a local system')
  return running
}

const local = new Set(['127.0.0.1', 'localhost', '::1'])

/** Which processes are not ready. */
export async function notReady({ ports }: Running): Promise<string[]> {
  const names = ['command-api', 'projector', 'query-api', 'operator'] as const
  const states = await Promise.all(names.map((name) => readReadiness(`http://127.0.0.1:${ports[name]}`)))
  return names.filter((_, i) => states[i]?.status !== 'ready')
}

/** @throws Error if the admin of `npm start` cannot log in */
export async function connectTo(running: Running, dataDir: string) {
  const { ports } = running
  const api = `http://localhost:${ports.gateway}`
  const mail = `http://localhost:${ports['mail-web']}`

  // Two clients of one session. Only the first one knows of the commands; the other one repeats nothing, so that every
  // failure is seen.
  const tokens = new Map<string, string>()
  const storage = {
    getItem: (key: string) => tokens.get(key) ?? null,
    setItem: (key: string, value: string) => tokens.set(key, value),
    removeItem: (key: string) => tokens.delete(key),
  }
  const client = new UserClient({ baseUrl: api, storage })
  const stranger = new UserClient({ baseUrl: api, storage, retries: { attempts: 1 } })
  await client.logIn(await adminOf(running)).catch((cause: Error) => {
    throw new Error(`the admin ${running.admin.email} cannot log in (${cause.message}): set ADMIN_PASSWORD`, { cause })
  })

  const settings = await settingsIn(dataDir)
  const mongo = [settings.write, settings.read].map((uri) => new MongoClient(uri))
  const [write, read] = mongo.map((client) => client.db()) as [Db, Db]
  const nats: NatsConnection = await connect({
    servers: `127.0.0.1:${ports.nats}`,
    user: 'admin',
    pass: await readFile(join(dataDir, 'nats/secrets/admin'), 'utf8'),
    maxReconnectAttempts: -1,
  })
  const { streams, consumers }: JetStreamManager = await jetstreamManager(nats)

  return {
    running,
    pages: { docs: `${api}/docs`, mail, console: (screen: string) => `${api}/console#/${screen}` },
    metricsOf: (service: 'command-api' | 'projector') => `http://localhost:${ports[service]}/metrics`,
    readinessOf: (service: 'command-api' | 'projector') => readReadiness(`http://127.0.0.1:${ports[service]}`),
    processes: new Processes(running.pid),
    client,
    stranger,
    nats,
    streams,
    write,
    read,
    users: write.collection<Doc>('users'),

    /** The collection of users_read that queries read now. */
    async usersRead(): Promise<Collection<Doc>> {
      const live = await read.collection<LiveShape>(readModelsCollection).findOne({ _id: 'users_read' })
      const shape = shapeName('users_read', live?.shape ?? 1)
      const state = await read.collection<ShapeState>(readModelsCollection).findOne({ _id: shape })
      return read.collection(state?.live ?? shape)
    },

    /** How many events of the stream each consumer has not handled. */
    async lags(): Promise<Map<string, number>> {
      const infos = await consumers.list(usersStream.name).next()
      return new Map(infos.map((info) => [info.name, info.num_pending + info.num_ack_pending]))
    },

    /** How many events of a user lie in the stream, by subject. */
    async eventsOf(userId: string): Promise<Record<string, number>> {
      const { state } = await streams.info(usersStream.name, { subjects_filter: `users.${userId}.>` })
      return state.subjects ?? {}
    },

    /** The subjects of a user's dead letters, one for each consumer. */
    async deadLettersOf(userId: string): Promise<string[]> {
      const { state } = await streams.info(deadLetterStream.name, { subjects_filter: `users_dlq.*.${userId}` })
      return Object.keys(state.subjects ?? {})
    },

    async mailsTo(isMeant: (address: string) => boolean): Promise<Mail[]> {
      const mails = (await (await fetch(`${mail}/api/email`)).json()) as Mail[]
      return mails.filter(({ to }) => to.some(({ address }) => isMeant(address)))
    },
    deleteMail: (id: string) => fetch(`${mail}/api/email/${id}`, { method: 'DELETE' }),

    /** Runs `npm run projector -- …`. */
    async operator(...args: string[]): Promise<string> {
      const { command, args: program } = programOf('operator', 'cli')
      const { PATH = '' } = process.env
      return new Promise((resolve, reject) =>
        execFile(command, [...program, ...args], { env: { PATH, ...settings.operator } }, (error, stdout, stderr) =>
          error ? reject(new Error(`projector ${args.join(' ')}: ${stderr || error.message}`)) : resolve(stdout.trim()),
        ),
      )
    },

    async close(): Promise<void> {
      await client.logOut().catch(() => undefined)
      await nats.close()
      await Promise.all(mongo.map((client) => client.close()))
    },
  }
}

/** Waits until every consumer has handled every event. */
export const caughtUp = (system: System): Promise<unknown> =>
  until('every event is handled', async () => {
    // After a longer pause the connection is made again, and a request in between fails.
    const lags = await system.lags().catch(() => undefined)
    return lags && [...lags.values()].every((lag) => lag === 0)
  })

async function adminOf({ admin: { email, passwordFile } }: Running): Promise<{ email: string; password: string }> {
  const kept = passwordFile && (await readFile(passwordFile, 'utf8').catch(() => undefined))
  return { email, password: kept || process.env.ADMIN_PASSWORD || '-' }
}

/** The settings that `npm start` has written for the processes. */
async function settingsIn(dataDir: string) {
  const read = async (name: string) => parseEnv(await readFile(join(dataDir, 'env', `${name}.env`), 'utf8'))
  const [commandApi, operator] = await Promise.all([read('command-api'), read('operator')])
  return { write: commandApi['MONGODB_URI'] ?? '', read: operator['MONGODB_READ_URI'] ?? '', operator }
}
