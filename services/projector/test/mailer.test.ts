import { eventually } from '@cqrs/local-stack/testing'
import { createLogger } from '@cqrs/service-kit'
import t, { type Test } from 'tap'
import { Mailer } from '../src/welcome-email/mailer.ts'
import { moodyMail } from './fixtures/moody-mail.ts'

t.jobs = 4

t.test('a wrong password is tried again after a growing pause, whoever asks', async (t) => {
  const { mail, mailer, send } = await mailerOf(t)
  mail.become('AUTH', 535)
  const many = await Promise.all(Array.from({ length: 20 }, send))
  t.ok(many.every((outcome) => outcome === 'unavailable'))
  t.equal(mail.times('AUTH'), 1, 'one mail is tried first')
  for (let i = 0; i < 200; i++) t.notOk(mailer.isUp())
  t.equal(mailer.room, 0)
  t.equal(await send(), 'unavailable')
  t.ok(mail.times('AUTH') <= 3, `${mail.times('AUTH')} logins`)
  mail.become('AUTH', 250)
  await eventually(async () => (await send()) === 'sent')
  t.ok(mailer.isUp())
  t.equal(mailer.room, 10)
})

t.test('a server that refuses the sender is unavailable until it responds to a mail', async (t) => {
  const { mail, mailer, send } = await mailerOf(t)
  t.equal(await send(), 'sent')
  mail.become('MAIL', 550)
  t.equal(await send(), 'unavailable')
  await eventually(() => mailer.room > 0)
  t.notOk(mailer.isUp())
  const logins = mail.times('AUTH')
  await eventually(() => !mailer.isUp() && mail.times('AUTH') > logins)
  t.notOk(mailer.isUp(), 'a login proves nothing')
  mail.become('MAIL', 250)
  await eventually(async () => (await send()) === 'sent')
  t.ok(mailer.isUp())
})

t.test('a connection that breaks or is ended defers the mail, unless the server accepts no other', async (t) => {
  const { mail, mailer, send } = await mailerOf(t)
  for (const mood of ['break', 421] as const) {
    mail.become('RCPT', mood)
    t.equal(await send(), 'deferred')
    t.ok(mailer.isUp())
  }
  mail.become('AUTH', 'break')
  t.equal(await send(), 'unavailable')
  t.notOk(mailer.isUp())
})

t.test('a check finds that the server is available again, without a mail', async (t) => {
  const { mail, mailer } = await mailerOf(t)
  mail.become('AUTH', 535)
  await eventually(() => !mailer.isUp() && mailer.room === 0)
  mail.become('AUTH', 250)
  await eventually(() => mailer.isUp())
})

async function mailerOf(t: Test) {
  const mail = await moodyMail(t)
  const url = mail.url.replace('//', '//user:secret@')
  const mailer = new Mailer({
    url,
    requireTls: false,
    from: 'users@example.com',
    logger: createLogger('test', 'silent'),
  })
  t.teardown(() => mailer.close())
  const content = { id: '1', to: 'jane@example.com', subject: 'Welcome', text: 'Hello', html: '<p>Hello</p>' }
  const send = async () => (await mailer.send(content, async () => undefined)).outcome
  return { mail, mailer, send }
}
