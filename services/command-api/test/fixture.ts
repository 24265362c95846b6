import { type UserAnswer, type UserEvent, usersStream } from '@cqrs/contracts'
import {
  descriptionOf,
  eventually,
  type FreshDatabase,
  type FreshNats,
  freshDatabase,
  freshNats,
  type ServiceProcess,
  saw,
  startProcess,
  tokenMint,
} from '@cqrs/local-stack/testing'
import { generateKeyFiles } from '@cqrs/service-kit'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Test } from 'tap'
import { createResources } from '../src/resources.ts'

const outsideDescription = descriptionOf('command-api')

export type CommandApi = ServiceProcess & {
  database: FreshDatabase
  nats: FreshNats
  /** Starts another process on the same database and broker. */
  replica(more?: NodeJS.ProcessEnv): Promise<ServiceProcess>
  replicaEnv: NodeJS.ProcessEnv
  /** Sends a request over NATS. */
  ask(subject: string, request: object): Promise<any>
  /** Every message of the stream. */
  stream(): Promise<UserEvent[]>
  /** The last event of a user that reached the stream, once there is one. */
  published(userId: string, verb: 'created' | 'updated' | 'deleted'): Promise<UserEvent>
  /** Sends JSON; `as` is a token. An answer that the API description does not promise fails the test. */
  send(method: string, path: string, body?: unknown, as?: string, headers?: Record<string, string>): Promise<Answer>
  /** Registers a user with an address of its own and logs it in. */
  newUser(overrides?: object): Promise<Account>
  /** The same with the role admin. */
  newAdmin(): Promise<Account>
  /** A token as command-api makes them, with other claims or options. */
  token: ReturnType<typeof tokenMint>
}
export type Account = { user: UserAnswer; email: string; password: string; token: string }
export type Answer = { status: number; headers: Headers; body: any }

/**
 * What a command-api needs around it: an empty database, a broker, keys, and the environment that names them.
 * @param options.isMigrated whether collections, indexes and stream exist
 */
export async function surroundings(t: Test, { isMigrated = true } = {}) {
  const [database, nats] = await Promise.all([freshDatabase(t), freshNats(t)])
  if (isMigrated) await connected(nats.url, (connection) => createResources(database.db, connection, 1))
  const { signingKeyFile, jwksFile } = await generateKeyFiles(t.testdir())
  const env = {
    MONGODB_URI: database.uri,
    NATS_URL: nats.url,
    JWT_SIGNING_KEY_FILE: signingKeyFile,
    JWKS_FILE: jwksFile,
    LOG_LEVEL: 'debug',
    PASSWORD_DENY_COMMON: 'off',
    RATE_LIMIT_REGISTER: '0',
    RATE_LIMIT_LOGIN: '0',
    RATE_LIMIT_REFRESH: '0',
    RATE_LIMIT_CHANGE: '0',
  }
  return { database, nats, env }
}

/** The service as it runs in production: its own process, a real database and a real broker. */
export async function startCommandApi(
  t: Test,
  env: NodeJS.ProcessEnv = {},
  options: { isMigrated?: boolean } = {},
): Promise<CommandApi> {
  const { database, nats, env: common } = await surroundings(t, options)
  const replicaEnv = { ...common, ...env }
  const replica = (more: NodeJS.ProcessEnv = {}) => startProcess(t, 'command-api', { ...replicaEnv, ...more })
  const service = await replica()

  const send: CommandApi['send'] = async (method, path, body, as, more) => {
    const headers = {
      ...more,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(as && { authorization: `Bearer ${as}` }),
    }
    const init = {
      method,
      headers,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }
    const response = await fetch(service.url + path, init)
    const text = await response.text()
    const outside = outsideDescription({
      method,
      path,
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: text,
    })
    if (outside) throw new Error(outside)
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined }
  }
  const newUser: CommandApi['newUser'] = async (overrides = {}) => {
    const password = 'password123'
    const email = `${crypto.randomUUID()}@example.com`
    const account = { email, password, name: 'Jo', roles: ['buyer'], ...overrides }
    const registered = await send('POST', '/api/v1/auth/register', account)
    const { body } = await send('POST', '/api/v1/auth/login', { email, password })
    return { user: registered.body, email, password, token: body.accessToken }
  }
  return {
    ...service,
    database,
    nats,
    replica,
    replicaEnv,
    send,
    ask: (subject, request) =>
      connected(nats.url, async (connection) =>
        (await connection.request(subject, JSON.stringify(request), { timeout: 5_000 })).json(),
      ),
    stream: () =>
      connected(nats.url, async (connection) => {
        const consumer = await jetstream(connection).consumers.get(usersStream.name)
        const { num_pending: count } = await consumer.info(true)
        const events: UserEvent[] = []
        if (count > 0)
          for await (const message of await consumer.fetch({ max_messages: count })) events.push(message.json())
        for (const { type } of events) saw(`event ${type} published`)
        return events
      }),
    published: (userId, verb) =>
      eventually(() =>
        connected(nats.url, async (connection) => {
          // A broker that has just started may leave a request without an answer.
          const { streams } = await jetstreamManager(connection, { timeout: 1_000 })
          const message = await streams.getMessage(usersStream.name, { last_by_subj: `users.${userId}.${verb}` })
          if (!message) return false
          const event = message.json<UserEvent>()
          saw(`event ${event.type} published`)
          return event
        }),
      ),
    newUser,
    async newAdmin() {
      const account = await newUser()
      const isThis = { _id: account.user.id } as object
      await database.db.collection('users').updateOne(isThis, { $set: { roles: ['admin'] } })
      return account
    },
    token: tokenMint(common.JWT_SIGNING_KEY_FILE),
  }
}

/** Uses a connection of its own to the broker. */
export async function connected<Result>(
  url: string,
  use: (connection: NatsConnection) => Promise<Result>,
): Promise<Result> {
  const connection = await connect({ servers: url })
  try {
    return await use(connection)
  } finally {
    await connection.close()
  }
}
