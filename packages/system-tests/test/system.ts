import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { type Stack, type StackOptions, startStack } from '@cqrs/local-stack'
import { descriptionOf, freshDatabase, freshDirectory } from '@cqrs/local-stack/testing'
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
  /** Registers a user with an address of its own and logs it in. */
  newUser(overrides?: object): Promise<{ id: string; token: string }>
  /** What the mail page shows. */
  mails(): Promise<any[]>
  /** `pnpm keys:rotate` with these arguments. */
  keysRotate(...args: string[]): Promise<{ code: number | null; output: string }>
  /** The file of public keys. */
  jwksFile: string
  /** `pnpm projector` with these arguments. */
  projector(...args: string[]): { process: ChildProcess; ended: Promise<{ code: number | null; output: string }> }
}

/**
 * The whole system as `npm start` runs it, with data of its own and on free ports. Its databases are new ones on the server
 * that the tests share, which saves seconds, unless it is to have servers of its own: to take away, or to be all real.
 */
export async function startSystem(
  t: Test,
  env: NonNullable<StackOptions['env']> = {},
  { ownDatabases = false } = {},
): Promise<System> {
  const logs: string[] = []
  const dataDir = await freshDirectory(t)
  const databases = ownDatabases
    ? undefined
    : { write: (await freshDatabase(t)).uri, read: (await freshDatabase(t)).uri }
  const stack = await startStack({ dataDir, env, databases, onLogLine: (line) => logs.push(line) })
  const clients = { write: new MongoClient(stack.uris.write), read: new MongoClient(stack.uris.read) }
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
    mails: async () => (await (await fetch(`${stack.mailUrl}/api/email`)).json()) as any[],
    jwksFile: join(dataDir, 'keys/jwks.json'),
    async keysRotate(...args) {
      const env = { ...process.env, ...parseEnv(readFileSync(join(dataDir, 'env/command-api.env'), 'utf8')) }
      const program = fileURLToPath(
        new URL('../../../services/command-api/dist/programs/rotate-keys.js', import.meta.url),
      )
      const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
      return { code: child.exitCode, output: output + errors }
    },
    projector(...args) {
      const env = { ...process.env, ...parseEnv(readFileSync(join(dataDir, 'env/projector.env'), 'utf8')) }
      const cli = fileURLToPath(new URL('../../../services/projector/dist/cli.js', import.meta.url))
      const child = spawn(process.execPath, [cli, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
      t.teardown(() => child.kill('SIGKILL'))
      const ended = Promise.all([text(child.stdout), once(child, 'close')])
      return { process: child, ended: ended.then(([output]) => ({ code: child.exitCode, output })) }
    },
  }
}
