import { type Stack, startStack } from '@cqrs/local-stack'
import type { Test } from 'tap'

export type System = Stack & {
  logs: string[]
  /** Sends JSON to the gateway; `as` is a token. */
  send(
    method: string,
    path: string,
    body?: unknown,
    as?: string,
  ): Promise<{ status: number; headers: Headers; body: any }>
  /** Registers a user with an address of its own and logs it in. */
  newUser(overrides?: object): Promise<{ id: string; token: string }>
  /** What the mail page shows. */
  mails(): Promise<any[]>
}

/** The whole system as `npm start` runs it, with data of its own and on free ports. */
export async function startSystem(t: Test): Promise<System> {
  const logs: string[] = []
  const stack = await startStack({ dataDir: t.testdir(), onLogLine: (line) => logs.push(line) })
  t.teardown(() => stack.stop())

  const send: System['send'] = async (method, path, body, as) => {
    const response = await fetch(stack.baseUrl + path, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(as && { authorization: `Bearer ${as}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined }
  }
  return {
    ...stack,
    logs,
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
  }
}
