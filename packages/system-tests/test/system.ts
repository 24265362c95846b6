import type { ChildProcess } from 'node:child_process'
import { randomUUIDv7 } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { type Stack, type StackOptions, startStack } from '@cqrs/local-stack'
import {
  descriptionOf,
  type Ended,
  type FreshMail,
  freshDatabase,
  freshDirectory,
  freshMail,
  runProgram,
  startProgram,
} from '@cqrs/local-stack/testing'
import { type Db, MongoClient } from 'mongodb'
import type { Test } from 'tap'

const outsideDescription = descriptionOf('api')

export type System = Stack & {
  logs: string[]
  /** Both databases, with an administrator's rights. */
  write: Db
  read: Db
  /** Sends JSON to the gateway; `as` is a token. */
  send(
    method: string,
    path: string,
    body?: unknown,
    as?: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; headers: Headers; body: any }>
  /** Registers a user with a unique address and logs it in. */
  newUser(overrides?: object): Promise<{ id: string; token: string }>
  /** The e-mails that arrived. */
  mails(): Promise<any[]>
  /** The mail server that is in this process. */
  mail: FreshMail | undefined
  /** `npm run keys:rotate` with these arguments. */
  keysRotate(...args: string[]): Promise<Ended>
  /** `npm run users:restored`. */
  usersRestored(): Promise<Ended>
  /** `node dist/migrate.js` of a service. */
  migrate(service: 'command-api' | 'projector'): Promise<Ended>
  /** Where the servers keep their data. */
  dataDir: string
  /** The file of public keys. */
  jwksFile: string
  /** `npm run projector` with these arguments. */
  projector(...args: string[]): { child: ChildProcess; ended: Promise<Ended> }
}

/**
 * The whole system as `npm start` runs it, with its own data and on free ports. Its databases are new ones on the
 * server that the tests share, and its mail server is in this process, which saves seconds. With `ownServers` it has
 * processes of its own for them, which a test may kill; `withConsole`, the operator's console. `settings` are those of
 * every service and of their migrations.
 */
export async function startSystem(
  t: Test,
  env: NonNullable<StackOptions['env']> = {},
  { ownServers = false, withConsole = false, settings = {} as NodeJS.ProcessEnv } = {},
): Promise<System> {
  const logs: string[] = []
  const dataDir = await freshDirectory(t)
  const mail = ownServers ? undefined : await freshMail(t)
  const databases = ownServers ? undefined : { write: (await freshDatabase(t)).uri, read: (await freshDatabase(t)).uri }
  const onLogLine = (line: string) => logs.push(line)
  const stack = await startStack({ dataDir, env, settings, databases, smtpUrl: mail?.url, withConsole, onLogLine })
  const clientOf = (uri: string) => new MongoClient(uri, { readConcern: { level: 'majority' } })
  const clients = { write: clientOf(stack.uris.write), read: clientOf(stack.uris.read) }
  t.teardown(async () => {
    await Promise.all([clients.write.close(), clients.read.close()])
    await stack.stop()
  })

  const send: System['send'] = async (method, path, body, as, headers = {}) => {
    const response = await fetch(stack.baseUrl + path, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(as && { authorization: `Bearer ${as}` }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const answer = await response.text()
    const { status } = response
    const outside = outsideDescription({
      method,
      path,
      status,
      headers: Object.fromEntries(response.headers),
      body: answer,
    })
    if (outside) throw new Error(outside)
    return { status: response.status, headers: response.headers, body: answer ? JSON.parse(answer) : undefined }
  }
  const settingsOf = (service: string) => ({
    ...process.env,
    ...parseEnv(readFileSync(join(dataDir, `env/${service}.env`), 'utf8')),
  })
  return {
    ...stack,
    logs,
    write: clients.write.db(),
    read: clients.read.db(),
    send,
    async newUser(overrides = {}) {
      const account = {
        email: `${crypto.randomUUID()}@example.com`,
        password: 'password123',
        name: 'Jo',
        roles: ['buyer'],
      }
      const { body: user } = await send('POST', '/api/v1/auth/register', { ...account, ...overrides })
      const { body: session } = await send('POST', '/api/v1/auth/login', {
        email: user.email,
        password: account.password,
      })
      return { id: user.id, token: session.accessToken }
    },
    mail,
    mails: async () => mail?.mails ?? ((await (await fetch(`${stack.mailUrl}/api/email`)).json()) as any[]),
    migrate: (service) => runProgram(service, 'migrate.js', [], { ...settingsOf(service), ...stack.natsUsers.migrate }),
    dataDir,
    jwksFile: join(dataDir, 'keys/jwks.json'),
    keysRotate: (...args) => runProgram('operator', 'programs/rotate-keys.js', args, settingsOf('command-api')),
    usersRestored: () => runProgram('command-api', 'programs/after-restore.js', [], settingsOf('command-api')),
    projector(...args) {
      const program = startProgram('operator', 'cli.js', args, settingsOf('operator'))
      t.teardown(() => program.child.kill('SIGKILL'))
      return program
    },
  }
}

/** A user whom only a rebuild adds to a read model. */
export const silentUser = (_: unknown, n: number) => ({
  _id: randomUUIDv7(),
  email: `silent-${n}@example.com`,
  passwordHash: 'none',
  name: `Silent ${n}`,
  roles: ['buyer'],
  isActive: true,
  version: 1,
  createdAt: new Date(),
  updatedAt: new Date(),
  outbox: [],
})
