import type { UserReadDocument } from '@cqrs/contracts'
import { createLogger } from '@cqrs/service-kit'
import t from 'tap'
import { PermanentFailure } from '../../src/consuming/failures.ts'
import { project } from '../../src/projections/projection.ts'
import { usersRead } from '../../src/projections/users-read.ts'
import type { Mail } from '../../src/welcome-email/mailer.ts'
import { welcomeEmail } from '../../src/welcome-email/welcome-email.ts'
import type { DueMail } from '../../src/welcome-email/welcome-email-record.ts'
import { created, updated, userId } from '../fixtures/user-events.ts'

t.test('a mail that was sent but could not be recorded is not sent again', async (t) => {
  const { handle, mails, recorded, database } = reaction()
  database.isDown = true
  await t.rejects(Promise.all(handle([created(1)])), /down/)
  await t.rejects(Promise.all(handle([created(1)])), /down/)
  database.isDown = false
  await Promise.all(handle([created(1)]))
  t.equal(mails.length, 1)
  t.strictSame(recorded, [userId(1)])
})

t.test('a mail that fails does not affect the others of its batch', async (t) => {
  const { handle, mails, waiting } = reaction()
  const results = await Promise.allSettled(handle([created(1), created(2, { email: 'full@example.com' }), created(3)]))
  t.strictSame(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled'],
  )
  t.strictSame(mails.map(({ to }) => to).sort(), ['user-1@example.com', 'user-3@example.com'])
  t.strictSame(waiting, [userId(2)])
})

t.test('an outcome that could not be recorded is recorded by the next call', async (t) => {
  const { sendDue, due, mails, recorded, database } = reaction()
  const user = project(usersRead, created(1)) as UserReadDocument
  due.push({ userId: userId(1), registeredAt: new Date(), about: undefined, user })
  database.isDown = true
  await t.rejects(sendDue(), /down/)
  await t.rejects(sendDue(), /down/)
  database.isDown = false
  t.equal(await sendDue(), 1)
  t.equal(await sendDue(), 0)
  t.equal(mails.length, 1)
  t.strictSame(recorded, [userId(1)])
})

t.test('an event of another type on the subject of registrations sends no mail', async (t) => {
  const { handle, mails } = reaction()
  await Promise.all(handle([updated(1, 2)]))
  t.strictSame(mails, [])
})

/** The subscriber, with a database that fails exactly when the test says. */
function reaction() {
  const mails: Mail[] = []
  const recorded: string[] = []
  const database = { isDown: false }
  const waiting: string[] = []
  const due: DueMail[] = []
  const { handle, sendDue } = welcomeEmail({
    mailer: {
      room: 10,
      async send(mail) {
        if (mail.to.startsWith('full@'))
          return { outcome: 'deferred', error: new PermanentFailure('mail-deferred', 'mailbox full') }
        mails.push(mail)
        return { outcome: 'sent' }
      },
    },
    record: {
      claim: async ({ userId }) => (recorded.includes(userId) ? 'not due' : 'claimed'),
      handOver: async () => {},
      release: async () => {},
      due: async () => due.splice(0),
      defer: async (userId) => void waiting.push(userId),
      async markSent(userId) {
        if (database.isDown) throw new Error('the database is down')
        recorded.push(userId)
      },
    },
    setAside: async () => {},
    logger: createLogger('test', 'silent'),
  })
  return { handle, sendDue, due, mails, recorded, waiting, database }
}
