import { eventually } from '@cqrs/local-stack/testing'
import t, { type Test } from 'tap'
import { type Moment, type Mood, moodyMail } from './fixtures/moody-mail.ts'
import { startSystem } from './fixtures/system.ts'
import { created, userId } from './fixtures/user-events.ts'

// Most of the time is `ack_wait` (10 s), after which the server redelivers the messages of a dead process.
t.jobs = 5

t.test('killed after the server has the whole mail but before its response: no second mail', async (t) => {
  const { mail, restartAfterKill, projector } = await registeredWith(t, { 'end of mail': 'hang' })
  await eventually(() => mail.times('end of mail') === 1)
  await restartAfterKill()
  const line = await eventually(() => projector.logs.find(({ msg }) => /may not have been sent/.test(msg)) ?? false)
  t.match(line, { level: 'warn', user_id: userId(1) })
  t.equal(mail.times('end of mail'), 1)
})

t.test('killed before the end of the mail: it is sent after the restart, once', async (t) => {
  const { mail, restartAfterKill } = await registeredWith(t, { RCPT: 'hang' })
  await eventually(() => mail.times('RCPT') === 1)
  await restartAfterKill()
  await eventually(() => mail.times('end of mail') > 0)
  t.equal(mail.times('end of mail'), 1)
})

t.test('a server that hangs times out, and the mail is sent when it works again', async (t) => {
  const { broker, mail } = await registeredWith(t, { RCPT: 'hang' })
  await eventually(() => mail.times('RCPT') === 1)
  mail.become('RCPT', 250)
  await eventually(() => mail.times('end of mail') > 0)
  await broker.allHandledBy('welcome-email')
  t.equal(mail.times('end of mail'), 1)
  const { delivered } = await broker.consumer('welcome-email')
  t.equal(delivered.consumer_seq, 1, 'it was delivered once, although the server took longer than `ack_wait`')
})

t.test('after a connection breaks during delivery, the mail is sent again, once', async (t) => {
  const { broker, mail } = await registeredWith(t, { 'in mid-mail': 'break' })
  await eventually(() => mail.times('in mid-mail') > 0)
  mail.become('in mid-mail', 250)
  await eventually(() => mail.times('end of mail') > 0)
  await broker.allHandledBy('welcome-email')
  t.equal(mail.times('end of mail'), 1)
})

t.test('after a refusal of the whole mail, it is sent again, once', async (t) => {
  const { broker, mail } = await registeredWith(t, { 'end of mail': 451 })
  await eventually(() => mail.times('end of mail') > 0)
  mail.become('end of mail', 250)
  const refused = mail.times('end of mail')
  await eventually(() => mail.times('end of mail') > refused)
  await broker.allHandledBy('welcome-email')
  t.equal(mail.times('end of mail'), refused + 1)
})

/** A projector that received a registration, and a mail server that misbehaves at these moments. */
async function registeredWith(t: Test, moods: Partial<Record<Moment, Mood>>) {
  const mail = await moodyMail(t)
  for (const [moment, mood] of Object.entries(moods)) mail.become(moment as Moment, mood)
  const { broker, database, projector } = await startSystem(t, { SMTP_URL: mail.url })
  await broker.publish(created(1))
  return {
    broker,
    mail,
    projector,
    /**
     * Kills the projector, makes the mail server behave and the claim run out, and returns when a new projector has
     * handled everything.
     */
    async restartAfterKill() {
      await projector.server.kill()
      for (const moment of Object.keys(moods)) mail.become(moment as Moment, 250)
      const claim = { _id: userId(1), claimedBy: { $exists: true } }
      const emails = database.db.collection<{ _id: string }>('welcome_emails')
      const { modifiedCount } = await emails.updateOne(claim, { $set: { claimedUntil: new Date(0) } })
      t.equal(modifiedCount, 1)
      await projector.server.start()
      await broker.allHandledBy('welcome-email')
    },
  }
}
