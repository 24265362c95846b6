import { createLogger } from '@cqrs/service-kit'
import t from 'tap'
import type { Mail } from '../../src/welcome-email/mailer.ts'
import { welcomeEmail } from '../../src/welcome-email/welcome-email.ts'
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
  const { handle, mails } = reaction()
  const results = await Promise.allSettled(handle([created(1), created(2, { email: 'full@example.com' }), created(3)]))
  t.strictSame(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.strictSame(mails.map(({ to }) => to).sort(), ['user-1@example.com', 'user-3@example.com'])
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
  const { handle } = welcomeEmail({
    mailer: {
      async send(mail) {
        if (mail.to.startsWith('full@')) throw new Error('mailbox full')
        mails.push(mail)
      },
    },
    record: {
      claim: async (userId) => (recorded.includes(userId) ? 'not due' : 'claimed'),
      handOver: async () => {},
      release: async () => {},
      async markSent(userId) {
        if (database.isDown) throw new Error('the database is down')
        recorded.push(userId)
      },
    },
    logger: createLogger('test', 'silent'),
  })
  return { handle, mails, recorded, database }
}
