import { readFile } from 'node:fs/promises'
import { freshBrowser } from '@cqrs/local-stack/testing'
import t from 'tap'
import { newAccount, patient, startSystem } from './stack.ts'

// What is built, in a page of the gateway's origin.
t.setTimeout(300_000)
const browser = await freshBrowser(t).catch((error: Error) => error)
if (browser instanceof Error) t.test('in a browser', { skip: browser.message }, () => {})
else await inBrowser(browser)

async function inBrowser(browser: Exclude<Awaited<ReturnType<typeof freshBrowser>>, Error>): Promise<void> {
  const { stack, proxy } = await startSystem(t)
  const page = await (await browser.newContext()).newPage()
  const importMap = { imports: { '@cqrs/client': '/app/client/index.js', 'openapi-fetch': '/app/openapi-fetch.js' } }
  await page.route('**/app/**', async (route) => {
    const [, name = ''] = /\/app\/(.*)$/.exec(route.request().url()) ?? []
    if (name === '') {
      const body = `<!doctype html><script type="importmap">${JSON.stringify(importMap)}</script>`
      return route.fulfill({ contentType: 'text/html', body })
    }
    const file = name.startsWith('client/')
      ? new URL(`../dist/${name.slice('client/'.length)}`, import.meta.url)
      : new URL(import.meta.resolve('openapi-fetch'))
    return route.fulfill({ contentType: 'text/javascript', body: await readFile(file, 'utf8') })
  })
  await page.goto(`${proxy.url}/app/`)

  t.test('a registration whose answer is lost is repeated, and registers one user', async (t) => {
    const register = 'POST /api/v1/auth/register'
    proxy.fault({ on: register, cut: true })
    proxy.fault({ on: register, answer: { status: 503, headers: { 'retry-after': '1' } } })
    const users = await page.evaluate(async (account) => {
      const { UserClient } = await import('@cqrs/client')
      const client = new UserClient({ storage: localStorage })
      await client.registerUser(account)
      await client.logIn(account)
      return (await client.listPage({ q: account.email })).data.length
    }, newAccount())
    t.equal(users, 1)
    const sent = proxy.sentTo(register)
    t.equal(sent.length, 3)
    t.equal(new Set(sent.map(({ headers }) => headers['idempotency-key'])).size, 1)
    t.ok((sent[2]?.at ?? 0) - (sent[1]?.at ?? 0) >= 1_000, 'Retry-After is obeyed')
  })

  t.test('after a reload the session is there, and 20 calls share one refresh', async (t) => {
    await page.reload()
    const names = await page.evaluate(async () => {
      const { UserClient } = await import('@cqrs/client')
      const client = new UserClient({ storage: localStorage })
      const id = (await client.currentUserId()) ?? ''
      const key = '@cqrs/client session'
      const tokens = JSON.parse(localStorage.getItem(key) ?? '')
      localStorage.setItem(
        key,
        JSON.stringify({ ...tokens, accessToken: `${tokens.accessToken.slice(0, -8)}AAAAAAAA` }),
      )
      const users = await Promise.all(Array.from({ length: 20 }, () => client.getUser(id)))
      return users.map(({ name }) => name)
    })
    t.strictSame(names, Array(20).fill('Jo'))
    t.equal(proxy.sentTo('POST /api/v1/auth/refresh').length, 1)
  })

  t.test('a list right after a registration has the user, while the read model is behind', async (t) => {
    await stack.servers.projector.stop()
    const input = { account: newAccount(), retries: patient }
    const list = page.evaluate(async ({ account, retries }) => {
      const { UserClient } = await import('@cqrs/client')
      const client = new UserClient({ storage: localStorage, retries })
      await client.registerUser(account)
      for await (const user of client.listUsers({ role: 'buyer' })) return user.email
      return undefined
    }, input)
    await stack.servers.projector.start()
    t.equal(await list, input.account.email)
  })

  t.test('problems and an abort', async (t) => {
    proxy.fault({ on: 'GET /api/v1/users', answer: { status: 503, headers: { 'retry-after': '20' } } })
    const outcomes = await page.evaluate(async () => {
      const { ProblemError, UserClient } = await import('@cqrs/client')
      const client = new UserClient({ storage: localStorage })
      const begin = performance.now()
      const aborted = client.listPage({}, { signal: AbortSignal.timeout(500) }).then(
        () => [],
        (error) => [error.name, performance.now() - begin < 15_000],
      )
      const invalid = await client
        .registerUser({ email: 'nobody', password: 'password123', name: 'Jo', roles: ['buyer'] })
        .catch((error) => (error instanceof ProblemError ? [error.code, error.errors[0]?.pointer] : error))
      await client.logOut()
      const missing = await client.userStats().catch((error) => error.code)
      return [...(await aborted), ...invalid, missing]
    })
    t.strictSame(outcomes, ['TimeoutError', true, 'validation-failed', '#/body/email', 'token-missing'])
  })
}
