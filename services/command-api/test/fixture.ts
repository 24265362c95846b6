import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type UserAnswer, type UserEvent, usersStream } from '@cqrs/contracts'
import { ChildServer, eventually } from '@cqrs/local-stack'
import {
  descriptionOf,
  type FreshDatabase,
  type FreshNats,
  freePort,
  freshDatabase,
  freshNats,
  saw,
} from '@cqrs/local-stack/testing'
import { generateKeyFiles, publicJwk } from '@cqrs/service-kit'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { createSigner, type SignerOptions } from 'fast-jwt'
import type { Test } from 'tap'
import { createResources } from '../src/resources.ts'

const outsideDescription = descriptionOf('command-api')

export type CommandApi = Process & {
  database: FreshDatabase
  nats: FreshNats
  /** Starts another process on the same database and broker. */
  replica(more?: NodeJS.ProcessEnv): Promise<Process>
  replicaEnv: NodeJS.ProcessEnv
  /** Asks over NATS. */
  ask(subject: string, request: object): Promise<any>
  /** Every message of the stream. */
  stream(): Promise<UserEvent[]>
  /** The last event of a user that reached the stream, once there is one. */
  published(userId: string, verb: 'created' | 'updated' | 'deleted'): Promise<UserEvent>
  /** Sends JSON; `as` is a token. */
  send(method: string, path: string, body?: unknown, as?: string, headers?: Record<string, string>): Promise<Answer>
  /** Registers a user with an address of its own and logs it in. */
  newUser(overrides?: object): Promise<Account>
  /** The same with the role admin. */
  newAdmin(): Promise<Account>
  /** A token as command-api makes them, with other claims or options. */
  token(claims: object, options?: Partial<SignerOptions>): string
}
type Account = { user: UserAnswer; email: string; password: string; token: string }
type Process = { url: string; server: ChildServer; logs: string[] }
export type Answer = { status: number; headers: Headers; body: any }

/** The service as it runs in production: its own process, a real database and a real broker. */
export async function startCommandApi(
  t: Test,
  env: NodeJS.ProcessEnv = {},
  state: 'set up' | 'not set up' = 'set up',
): Promise<CommandApi> {
  const [database, nats] = await Promise.all([freshDatabase(t), freshNats(t)])
  const withNats = async <Result>(use: (connection: NatsConnection) => Promise<Result>): Promise<Result> => {
    const connection = await connect({ servers: nats.url })
    try {
      return await use(connection)
    } finally {
      await connection.close()
    }
  }
  if (state === 'set up') await withNats((connection) => createResources(database.db, connection, 1))
  const { signingKeyFile, jwksFile } = await generateKeyFiles(t.testdir())
  const replicaEnv = {
    MONGODB_URI: database.uri,
    NATS_URL: nats.url,
    JWT_SIGNING_KEY_FILE: signingKeyFile,
    JWKS_FILE: jwksFile,
    LOG_LEVEL: 'debug',
    PASSWORD_DENY_COMMON: 'off',
    RATE_LIMIT_REGISTER: '0',
    RATE_LIMIT_LOGIN: '0',
    RATE_LIMIT_REFRESH: '0',
    ...env,
  }
  const replica = (more: NodeJS.ProcessEnv = {}) => startProcess(t, { ...replicaEnv, ...more })
  const { url, server, logs } = await replica()

  const key = await readFile(signingKeyFile, 'utf8')
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
    const response = await fetch(url + path, init)
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
    url,
    server,
    database,
    nats,
    logs,
    replica,
    replicaEnv,
    send,
    ask: (subject, request) =>
      withNats(async (connection) =>
        (await connection.request(subject, JSON.stringify(request), { timeout: 5_000 })).json(),
      ),
    stream: () =>
      withNats(async (connection) => {
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
        withNats(async (connection) => {
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
    token: (claims, options = {}) =>
      createSigner({
        key,
        algorithm: 'ES256',
        kid: publicJwk(key).kid,
        header: { alg: 'ES256', typ: 'at+jwt' },
        iss: 'cqrs-user-service',
        aud: 'cqrs-user-service',
        expiresIn: 60_000,
        ...options,
      })({ roles: [], ver: 1, jti: crypto.randomUUID(), ...claims }),
  }
}

async function startProcess(t: Test, env: NodeJS.ProcessEnv): Promise<Process> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const logs: string[] = []
  const server = new ChildServer({
    name: 'command-api',
    command: process.execPath,
    args: [fileURLToPath(new URL('../dist/main.js', import.meta.url))],
    env: { PORT: String(port), ...env },
    output: (line) => logs.push(line),
    ready: async () => (await fetch(`${url}/healthz`)).ok,
  })
  await server.start()
  t.teardown(() => server.stop())
  return { url, server, logs }
}

/** Runs a program of this service to its end. */
export async function run(program: string, args: string[], env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`../dist/${program}`, import.meta.url)), ...args], {
    env,
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  const [code] = await once(child, 'close')
  return { code, output }
}
