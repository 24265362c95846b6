import { faultsOf, freshBrowser, readDescription } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startSystem } from './system.ts'

// The API reference in a real browser: somebody opens /docs and tries every operation as it is filled in.
t.setTimeout(300_000)
const browser = await freshBrowser(t).catch((error: Error) => error)
if (browser instanceof Error) t.test('the API reference', { skip: browser.message }, () => {})
else await tryEveryOperation(browser)

async function tryEveryOperation(browser: Awaited<ReturnType<typeof freshBrowser>>): Promise<void> {
  const admin = { email: 'admin@example.com', password: 'correct horse battery' }
  const { baseUrl } = await startSystem(t, {
    'command-api': { ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password },
  })
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB' })
  context.setDefaultTimeout(20_000)
  const page = await context.newPage()
  const faults = faultsOf(page)
  const operations = new Map(
    Object.entries<Record<string, any>>(readDescription().paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId, tags }]) => [operationId, { path, method, tag: tags[0] }]),
    ),
  )
  const tried = new Set<string>()
  const top = page.getByRole('banner').first()
  const button = (name: string) => top.getByRole('button', { name, exact: true })
  const isLoggedIn = (email = '') => page.getByText(`Logged in as ${email}`).waitFor()

  /** Sends an operation as it is filled in. */
  async function tryOut(operationId: string): Promise<number> {
    const { path, method, tag } = operations.get(operationId) as Operation
    await page.goto(`${baseUrl}/docs#tag/${tag.toLowerCase()}/${method.toUpperCase()}${path}`)
    await page
      .getByRole('button', { name: /test request/i })
      .filter({ hasText: `(${method} ${path})` })
      .click()
    const template = new RegExp(`${path.replaceAll(/\{\w+\}/g, '[^/]+').replace('.', '\\.')}$`)
    const isAnswer = (url: string) => template.test(new URL(url).pathname)
    const [answer] = await Promise.all([
      page.waitForResponse((response) => isAnswer(response.url())),
      page.getByRole('dialog').getByRole('button', { name: /^send/i }).first().click(),
    ])
    if (!answer.ok()) t.comment(await answer.text(), answer.request().postData())
    tried.add(operationId)
    await page.getByRole('dialog').getByRole('button', { name: /close/i }).first().click()
    return answer.status()
  }

  t.test(
    'a stranger registers with one click, and every operation of a user succeeds as it is filled in',
    async (t) => {
      await page.goto(`${baseUrl}/docs`)
      await button('Register a user and log in').click()
      await isLoggedIn()
      for (const name of ['listUsers', 'getUser', 'userStats', 'listUsersByRole', 'publicKeys', 'updateUser'])
        t.equal(await tryOut(name), 200, name)
      await page.reload()
      await isLoggedIn()
      for (const name of ['registerUser', 'registerUser']) t.equal(await tryOut(name), 201, name)
      for (const name of ['refreshSession', 'logIn', 'changePassword', 'logIn']) t.equal(await tryOut(name), 200, name)
      for (const name of ['logOut', 'logIn', 'logOutEverywhere', 'logIn', 'deleteUser'])
        t.equal(await tryOut(name), name === 'logIn' ? 200 : 204, name)
      await page.getByText('Not logged in.').waitFor()
    },
  )

  t.test('so does every operation of an administrator', async (t) => {
    await button('Register a user and log in').click()
    await isLoggedIn()
    await button('Log out').click()
    await top.getByLabel('E-mail').fill(admin.email)
    await top.getByLabel('Password').fill('guessed')
    await button('Log in').click()
    await top.getByText('The e-mail address or the password is wrong.').waitFor()
    await top.getByLabel('E-mail').fill(admin.email)
    await top.getByLabel('Password').fill(admin.password)
    await button('Log in').click()
    await isLoggedIn(admin.email)
    for (const name of ['listDirectory', 'deactivateUser', 'activateUser', 'updateUser', 'getUser'])
      t.equal(await tryOut(name), 200, name)
    t.equal(await tryOut('deleteUser'), 204)
    await isLoggedIn(admin.email)
    t.strictSame([...tried].sort(), [...operations.keys()].sort(), 'no operation is left out')
  })

  t.test('the type of a problem leads to its meaning and its remedy', async (t) => {
    const refusal = await fetch(`${baseUrl}/api/v1/users`)
    const { type, code } = (await refusal.json()) as { type: string; code: string }
    await page.goto(new URL(type, baseUrl).href)
    t.match(await page.locator(':target').textContent(), new RegExp(`^\\s*${code} 401\\s.*login`, 's'))
  })

  t.test('nothing failed in the page, and nothing was against its policy', async (t) => {
    t.strictSame(faults, [])
    await context.close()
  })
}

type Operation = { path: string; method: string; tag: string }
