import { type Stack, startStack } from '@cqrs/local-stack'
import { freshDatabase, freshDirectory, freshMail } from '@cqrs/local-stack/testing'
import type { Test } from 'tap'
import { type ClientOptions, UserClient } from '../src/index.ts'
import { type FaultyProxy, faultyProxy } from './faulty-proxy.ts'

export const password = 'password123'
export const admin = { email: 'admin@example.com', password: 'correct horse battery' }
export const newAccount = (name = 'Jo') => ({
  email: `${crypto.randomUUID()}@example.com`,
  password,
  name,
  roles: ['buyer' as const],
})

/** A loaded machine takes its time to start a process again. */
export const patient = { attempts: 100, withinMs: 120_000, attemptMs: 60_000 }

/** The whole system, behind a proxy that a test can let fail, and clients of it. */
export async function startSystem(t: Test) {
  const mail = await freshMail(t)
  const stack: Stack = await startStack({
    dataDir: await freshDirectory(t),
    databases: { write: (await freshDatabase(t)).uri, read: (await freshDatabase(t)).uri },
    smtpUrl: mail.url,
    env: { 'command-api': { ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password } },
  })
  t.teardown(() => stack.stop())
  const proxy: FaultyProxy = await faultyProxy(t, stack.baseUrl)
  const newClient = (options: ClientOptions = {}) =>
    new UserClient({ baseUrl: proxy.url, retries: patient, ...options })
  return {
    stack,
    proxy,
    newClient,
    /** A client whose user is registered and logged in. */
    async loggedIn(options: ClientOptions = {}) {
      const client = newClient(options)
      const account = newAccount()
      await client.registerUser(account)
      const id = await client.logIn(account)
      return { client, account, id }
    },
  }
}
