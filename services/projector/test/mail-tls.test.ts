import { certificateAuthority, eventually, freePort, freshMail, startProcess } from '@cqrs/local-stack/testing'
import { createLogger, parseConfig } from '@cqrs/service-kit'
import t, { type Test } from 'tap'
import { Config } from '../src/config.ts'
import { createProjector } from '../src/service.ts'
import { Mailer } from '../src/welcome-email/mailer.ts'

t.jobs = 4

const port = await freePort()
const away = { MONGODB_READ_URI: `mongodb://127.0.0.1:${port}/read`, NATS_URL: `nats://127.0.0.1:${port}` }
const unknownCa = 'CONN failed with UNABLE_TO_VERIFY_LEAF_SIGNATURE'

for (const [what, server, query, reason] of [
  ['that offers no STARTTLS', {}, '', 'it offers no STARTTLS'],
  ['that offers none, whatever the URL says', {}, '?ignoreTLS=true&requireTLS=false', 'it offers no STARTTLS'],
  ['with a certificate of an unknown CA', { isTls: true }, '', unknownCa],
  ['with such a certificate and implicit TLS', { isTls: true, isImplicitTls: true }, '', unknownCa],
] as const) {
  t.test(`a mail server ${what} gets no password, and mail waits`, async (t) => {
    const mail = await startMail(t, server)
    const { mailer, send, lines } = mailerTo(t, withPassword(mail.url) + query, { requireTls: true })
    t.equal(await send(), 'unavailable')
    t.strictSame(mailer.reasons, [`the mail server is unavailable: ${reason}`])
    t.notOk(mailer.isUp())
    t.match(lines.join(), `"detail":"${reason}"`)
    t.notMatch(lines.join(), 'secret')
    t.strictSame([mail.logins, mail.mails], [[], []])
  })
}

t.test('without a password TLS is used if it is offered, and the certificate is checked', async (t) => {
  const [none, unknown] = [await startMail(t, {}), await startMail(t, { isTls: true })]
  t.equal(await mailerTo(t, none.url, { requireTls: false }).send(), 'sent')
  const { mailer, send } = mailerTo(t, unknown.url, { requireTls: false })
  t.equal(await send(), 'unavailable')
  t.match(mailer.reasons, [unknownCa])
})

t.test('the projector requires TLS for a password to another host, unless the setting allows plaintext', async (t) => {
  const mail = await freshMail(t)
  // It reaches this machine and is not a loopback address.
  const SMTP_URL = withPassword(mail.url).replace('127.0.0.1', '0.0.0.0')
  const checks = async (settings: object, expected: string) => {
    const env = { ...away, HOST: '127.0.0.1', PORT: '0', SMTP_URL, ...settings }
    const { app, start, close } = await createProjector(parseConfig(Config, env), {
      logger: createLogger('test', 'silent'),
    })
    await start()
    const ready = async () => (await app.inject('/readyz')).json()
    await eventually(async () => {
      const { checks, reasons = [] } = await ready()
      return checks.mail === expected && (expected === 'up' || reasons.join().includes('it offers no STARTTLS'))
    })
    await close()
  }
  await checks({}, 'down')
  t.strictSame(mail.logins, [])
  await checks({ PLAINTEXT_PASSWORDS: 'allowed' }, 'up')
  t.strictSame(mail.logins[0], { password: 'secret', isSecure: false })
  await checks({ SMTP_URL: withPassword(mail.url) }, 'up')
})

t.test('a private CA is known by NODE_EXTRA_CA_CERTS, with STARTTLS and implicit TLS', async (t) => {
  const ca = await certificateAuthority(t)
  const certificate = await ca.server()
  const servers = [await freshMail(t, { certificate }), await freshMail(t, { certificate, isImplicitTls: true })]
  await Promise.all(
    servers.map(async ({ url, logins }) => {
      const settings = { ...away, SMTP_URL: withPassword(url), NODE_EXTRA_CA_CERTS: ca.caFile }
      const { get, terminate } = await startProcess(t, 'projector', settings)
      await eventually(async () => (await get('/readyz')).body.checks.mail === 'up')
      t.match(logins[0], { password: 'secret', isSecure: true })
      await terminate()
    }),
  )
})

const withPassword = (url: string) => url.replace('//', '//user:secret@')

async function startMail(t: Test, { isTls = false, ...options }: { isTls?: boolean; isImplicitTls?: boolean }) {
  const certificate = isTls && (await (await certificateAuthority(t)).server())
  return freshMail(t, { ...options, ...(certificate && { certificate }) })
}

function mailerTo(t: Test, url: string, { requireTls }: { requireTls: boolean }) {
  const lines: string[] = []
  const logger = createLogger('test', 'info', { write: (line) => void lines.push(line) })
  const mailer = new Mailer({ url, requireTls, from: 'users@example.com', logger })
  t.teardown(() => mailer.close())
  const mail = { id: '1', to: 'jane@example.com', subject: 'Welcome', text: 'Hello', html: '<p>Hello</p>' }
  return { mailer, lines, send: async () => (await mailer.send(mail, async () => undefined)).outcome }
}
