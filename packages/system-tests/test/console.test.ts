import { randomUUIDv7 } from 'node:crypto'
import { asNatsAdmin, eventually, faultsOf, freshBrowser } from '@cqrs/local-stack/testing'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import axe from 'axe-core'
import t from 'tap'
import { silentUser, startSystem } from './system.ts'

// An operator's day, in a real browser.
t.setTimeout(300_000)
const browser = await freshBrowser(t).catch((error: Error) => error)
if (browser instanceof Error) t.test('the console', { skip: browser.message }, () => {})
else await anOperatorsDay(browser)

async function anOperatorsDay(browser: Awaited<ReturnType<typeof freshBrowser>>): Promise<void> {
  const admin = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'correct horse battery' }
  const system = await startSystem(t, { 'command-api': admin }, { withConsole: true })
  const { baseUrl, send, newUser, write, servers } = system
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB' })
  context.setDefaultTimeout(20_000)
  const page = await context.newPage()
  const faults = faultsOf(page)

  const button = (name: string | RegExp) => page.getByRole('button', { name })
  const heading = (name: string) => page.getByRole('heading', { name, exact: true })
  const open = (screen: string) => page.getByRole('navigation').getByRole('link', { name: screen }).click()
  const message = (text: string | RegExp) => page.getByRole('status').filter({ hasText: text }).first().waitFor()
  const confirm = (name: string) => page.getByRole('dialog').getByRole('button', { name, exact: true }).click()
  const logIn = async (email: string, password: string) => {
    await page.getByLabel('E-mail address').fill(email)
    await page.getByLabel('Password').fill(password)
    await button('Log in').click()
  }

  t.test('only admins get in', async (t) => {
    await page.goto(`${baseUrl}/console`)
    await logIn(admin.ADMIN_EMAIL, 'guessed-wrong')
    t.match(await page.getByRole('alert').textContent(), /The e-mail address or the password is wrong\..*Request \w+/s)
    await newUser({ email: 'buyer@example.com' })
    await logIn('buyer@example.com', 'password123')
    await heading('Only for admins').waitFor()
    const [ending] = await Promise.all([page.waitForRequest('**/auth/logout'), button('Log out').click()])
    await message('You are logged out.')
    const ended = await send('POST', '/api/v1/auth/refresh', ending.postDataJSON())
    t.match(ended, { status: 401 }, 'the session has ended')
    await logIn(admin.ADMIN_EMAIL, admin.ADMIN_PASSWORD)
    await heading('Overview').waitFor()
    await page.getByText('Everything is well.').waitFor()
    t.equal(await page.getByRole('row').filter({ hasText: 'ready' }).count(), 3, 'every process')
  })

  t.test('a session continues after a reload and an expired token, each with one refresh', async (t) => {
    let refreshes = 0
    page.on('request', (request) => {
      if (request.url().endsWith('/auth/refresh')) refreshes++
    })
    await page.reload()
    await page.getByText('Everything is well.').waitFor()
    t.equal(refreshes, 1)

    let expired: string | undefined
    await page.route('**/operator/outbox', (route) => {
      const { authorization } = route.request().headers()
      expired ??= authorization
      return authorization === expired ? route.fulfill({ status: 401 }) : route.continue()
    })
    const threeAtATime = "Promise.all([1, 2, 3].map(() => json('GET', '/operator/outbox')))"
    const answers = await page.evaluate(`import('/console/api.js').then(({ json }) => ${threeAtATime})`)
    t.match(answers, [{ users: 0 }, { users: 0 }, { users: 0 }])
    t.equal(refreshes, 2)
  })

  t.test('find a user, change its roles, deactivate it, and its token dies', async (t) => {
    const { id, token } = await newUser({ name: 'Zelda Searched' })
    await open('Users')
    await page.getByLabel('Search').fill('zelda')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'Zelda Searched' }).click()
    await page.getByLabel('seller').check()
    await button('Save').click()
    await message('The change is saved.')
    await page.getByRole('link', { name: 'All users' }).click()
    await page.getByLabel('Show').selectOption('Sellers')
    await page.getByRole('link', { name: 'Zelda Searched' }).click()

    t.match(await send('GET', `/api/v1/users/${id}`, undefined, token), { status: 200 })
    await button('Deactivate…').click()
    await confirm('Deactivate')
    await message('Zelda Searched is inactive. All sessions have ended.')
    await page.getByText('inactive', { exact: false }).first().waitFor()
    await eventually(
      async () => (await send('GET', `/api/v1/users/${id}`, undefined, token)).body.code === 'token-revoked',
    )
    await button('Activate…').click()
    await confirm('Activate')
    await message('Zelda Searched is active.')
  })

  t.test('an old page does not overwrite the change of somebody else', async (t) => {
    const { id, token } = await newUser({ name: 'Changed Twice' })
    await page.goto(`${baseUrl}/console/#/users/${id}`)
    await page.getByLabel('Name').fill('Mine')
    t.match(await send('PUT', `/api/v1/users/${id}`, { name: 'Theirs', roles: ['buyer'] }, token), { status: 200 })
    await button('Save').click()
    await heading('Theirs').waitFor()
    t.match((await send('GET', `/api/v1/users/${id}`, undefined, token)).body, { name: 'Theirs' })
  })

  t.test('see a poison letter, read its reason, replay it and drop it', async (t) => {
    const nats = await connect(asNatsAdmin(system))
    t.teardown(() => nats.close())
    const id = randomUUIDv7()
    await jetstream(nats).publish(`users.${id}.created`, JSON.stringify(poison(id)))

    await open('Overview')
    await page.getByText('users_read_v1: 1 dead letter').first().waitFor()
    await page.getByRole('link', { name: 'Open dead letters' }).first().click()
    const ofReadModel = 'Replay “invalid” of users_read_v1'
    await button(ofReadModel).waitFor()
    const letter = page.getByRole('row').filter({ hasText: id }).filter({ hasText: 'users_read_v1' })
    const number = await letter.getByRole('link').textContent()
    await letter.getByRole('link').click()
    await heading(`Dead letter ${number}`).waitFor()
    const shown = () => page.locator('main').textContent()
    t.match(await shown(), /Reason\s*invalid/)
    t.notMatch(await shown(), /Poison|poison@example/, 'masked until asked for')
    await button('Show personal data…').click()
    await confirm('Show')
    await page.getByText('poison@example.com').waitFor()

    await open('Dead letters')
    await button(ofReadModel).click()
    await page.getByText('Dry run: 1 letter would be replayed.').waitFor()
    await confirm('Replay')
    await message('1 letter replayed.')
    await letter
      .getByRole('link')
      .filter({ hasNotText: new RegExp(`^${number}$`) })
      .waitFor()
    t.pass('it is still poison, and comes back')
    for (const consumer of [
      'users_read_v1',
      'user_stats_v1',
      'user_directory_v1',
      'user_directory_v2',
      'welcome-email',
    ]) {
      await button(`Drop “invalid” of ${consumer}`).click()
      await confirm('Drop')
      await message('1 letter dropped.')
      await button(`Drop “invalid” of ${consumer}`).waitFor({ state: 'detached' })
    }
    await page.getByText('No dead letters.').waitFor()
    await open('Audit')
    for (const action of ['read-dead-letter', 'replay-dead-letters', 'drop-dead-letters'])
      t.match(await page.getByRole('row').filter({ hasText: action }).first().textContent(), /administrator.*success/)
  })

  t.test('pause a consumer, and resume it with the button beside the alert', async () => {
    await open('Overview')
    await button('Pause user_stats_v1').click()
    await confirm('Pause for an hour')
    await page.getByText('paused until').first().waitFor()
    await button('Resume user_stats_v1').first().click()
    await button('Pause user_stats_v1').waitFor()
  })

  t.test('stop the projector: the alert line appears, and the lag grows', async (t) => {
    await servers.projector.stop()
    await page
      .getByRole('region', { name: /problem/ })
      .getByText('projector: no replica answers')
      .waitFor()
    const row = page.getByRole('listitem').filter({ hasText: 'users_read_v1' }).filter({ hasText: 'waiting' }).last()
    const lag = async () => Number.parseInt((await row.getByText('waiting').textContent()) ?? '', 10)
    let last = await lag()
    for (const _ of [1, 2]) {
      await newUser()
      await eventually(async () => (await lag()) > last, { timeoutMs: 20_000 })
      last = await lag()
    }
    await row.getByText('behind').waitFor()
    t.match(await row.getByRole('img').getAttribute('aria-label'), `now ${last}`)
    await servers.projector.start()
    await page.getByText('Everything is well.').waitFor()
  })

  t.test('the page says when it is not live, and is so again', async () => {
    await servers.operator?.stop()
    await page.getByText('Not live').waitFor()
    await servers.operator?.start()
    await page.getByText('All is well').waitFor()
  })

  t.test('every screen can be used with a screen reader and on a phone, in light and dark', async (t) => {
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 390],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height: 800 })
      for (const screen of ['Overview', 'Users', 'Read models', 'Dead letters', 'Outbox', 'Audit']) {
        await open(screen)
        await heading(screen).waitFor()
        await page.getByRole('table').first().waitFor()
        await page.evaluate(axe.source)
        const violations = await page.evaluate(async () =>
          (await (globalThis as any).axe.run()).violations.map(({ id, nodes }: any) => `${id}: ${nodes[0].html}`),
        )
        t.strictSame(violations, [], `${screen}, ${colorScheme}, ${width} px`)
        const tooWide = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
        t.ok(Number(tooWide) <= 0, `${screen} fits into ${width} px`)
      }
    }
    await page.emulateMedia({ colorScheme: null })
    await page.setViewportSize({ width: 1280, height: 800 })
  })

  t.test('the keyboard is enough', async (t) => {
    await open('Overview')
    await page.reload()
    await heading('Overview').waitFor()
    t.equal(await page.evaluate('document.activeElement.tagName'), 'H1', 'the focus is at the beginning')
    await button('Pause user_stats_v1').focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    t.match(await page.evaluate("document.activeElement.getAttribute('aria-label')"), 'Pause user_stats_v1')
  })

  t.test('compare the read models, start a rebuild and watch it to its end', async (t) => {
    await open('Read models')
    await button('Compare').first().click()
    await page.getByRole('log').getByText('Every read model is as the write side.').waitFor()

    await write.collection<{ _id: string }>('users').insertMany(Array.from({ length: 40_000 }, silentUser))
    await button('Rebuild users_read_v1').click()
    await confirm('Rebuild')
    const seen = new Set<number>()
    const watched = (async () => {
      while (!seen.has(Number.NaN)) {
        const value = await page
          .getByRole('progressbar')
          .getAttribute('value', { timeout: 1_000 })
          .catch(() => null)
        if (value !== null) seen.add(Number(value))
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    })()
    await message(/^users_read_v1: rebuilt, in users_read_v1_/).finally(() => seen.add(Number.NaN))
    await watched
    t.ok(
      [...seen].some((value) => value > 0 && value < 40_000),
      `the bar moved: ${[...seen].join(', ')}`,
    )
    t.match(await page.getByRole('row').filter({ hasText: 'users_read_v1' }).textContent(), /40,0\d\d/)
  })

  t.test('nothing failed in the page, and nothing was against its policy', async (t) => {
    t.strictSame(faults, [])
    await context.close()
  })
}

/** A message that no consumer can apply. */
const poison = (id: string) => ({
  specversion: '1.0',
  id: randomUUIDv7(),
  source: '/somewhere-else',
  type: 'UserCreated',
  subject: id,
  time: new Date().toISOString(),
  datacontenttype: 'application/json',
  schemaversion: 2,
  version: 'three',
  data: { email: 'poison@example.com', name: 'Paul Poison' },
})
