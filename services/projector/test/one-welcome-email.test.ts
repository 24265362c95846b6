import { freshDatabase } from '@cqrs/local-stack/testing'
import { createLogger } from '@cqrs/service-kit'
import { MongoClient } from 'mongodb'
import t, { type Test } from 'tap'
import { PermanentFailure, TryLater } from '../src/consuming/failures.ts'
import { usersRead } from '../src/projections/users-read.ts'
import { ReadModel } from '../src/read-store/read-model.ts'
import { Mailer } from '../src/welcome-email/mailer.ts'
import { welcomeEmail } from '../src/welcome-email/welcome-email.ts'
import { WelcomeEmailRecord } from '../src/welcome-email/welcome-email-record.ts'
import { eventually } from './fixtures/eventually.ts'
import { moodyMail } from './fixtures/moody-mail.ts'
import { created, userId } from './fixtures/user-events.ts'

const database = await freshDatabase(t)
const emails = database.db.collection<{ _id: string }>('welcome_emails')
// One process makes the collection: MongoDB's build for Windows under wine does not survive two.
await database.db.createCollection('welcome_emails')

t.test('two processes get the same registration: one sends, the other waits and then does nothing', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  mail.become('RCPT', 'hang')
  const first = processes[0].handle(created(1))
  await eventually(() => mail.times('RCPT') === 1)
  t.ok((await failureOf(processes[1].handle(created(1)))) instanceof TryLater)
  mail.answer()
  await first
  await processes[1].handle(created(1))
  t.equal(mail.times('end of mail'), 1)
})

t.test('the other process also waits for the response to a mail that was handed over', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  mail.become('end of mail', 'hang')
  const first = processes[0].handle(created(2))
  await eventually(() => mail.times('end of mail') === 1)
  t.ok((await failureOf(processes[1].handle(created(2)))) instanceof TryLater)
  mail.answer()
  await first
  await processes[1].handle(created(2))
  t.equal(mail.times('end of mail'), 1)
})

t.test('a process whose claim was taken over does not finish its mail', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  mail.become('RCPT', 'hang')
  const slow = processes[0].handle(created(3))
  await eventually(() => mail.times('RCPT') === 1)
  await claimRunsOut(3)
  mail.become('RCPT', 250)
  await processes[1].handle(created(3))
  mail.answer()
  t.match(await failureOf(slow), { message: 'API failed with ESTREAM' })
  t.equal(mail.times('end of mail'), 1)
  await processes[0].handle(created(3))
  t.equal(mail.times('end of mail'), 1)
})

t.test('a mail that a dead process handed over is not sent again; one that it only claimed is', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  for (const n of [4, 5]) await emails.insertOne({ _id: userId(n), ...claimOfTheDead, ...(n === 4 && handedOver) })
  await processes[0].handle(created(4))
  t.equal(mail.times('end of mail'), 0)
  await processes[0].handle(created(5))
  t.equal(mail.times('end of mail'), 1)
})

t.test('a mail that was refused after its end can be sent later by any process', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  for (const [mood, failure] of [
    [451, TryLater],
    [550, PermanentFailure],
    ['break', Error],
  ] as const) {
    mail.become('end of mail', mood)
    t.ok((await failureOf(processes[0].handle(created(6)))) instanceof failure)
  }
  mail.become('end of mail', 250)
  await processes[1].handle(created(6))
  await processes[0].handle(created(6))
  t.equal(mail.times('end of mail'), 4, 'three refused and one taken')
})

t.test('a mail is cut off before its end when the hand-over cannot be recorded', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  mail.become('RCPT', 'hang')
  const sending = processes[0].handle(created(7))
  await eventually(() => mail.times('RCPT') === 1)
  await processes[0].client.close()
  mail.answer()
  await failureOf(sending)
  t.equal(mail.times('end of mail'), 0)
})

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => error,
  )

const claimOfTheDead = { claimedBy: 'a process that has died', claimedUntil: new Date(0) }
const handedOver = { handedOverAt: new Date(0) }

const claimRunsOut = (n: number) => emails.updateOne({ _id: userId(n) }, { $set: { claimedUntil: new Date(0) } })

/** The welcome e-mail of two projectors, each with its own connections. */
async function twoProcesses(t: Test) {
  const mail = await moodyMail(t)
  const process = () => {
    const client = new MongoClient(database.uri)
    const mailer = new Mailer({ url: mail.url, from: 'Users <no-reply@example.com>' })
    t.teardown(() => Promise.all([mailer.close(), client.close()]))
    const record = new WelcomeEmailRecord(client.db(), new ReadModel(client.db(), usersRead))
    const { handle } = welcomeEmail({ mailer, record, logger: createLogger('test', 'silent') })
    return { client, handle: (event: ReturnType<typeof created>) => Promise.all(handle([event])) }
  }
  return { mail, processes: [process(), process()] as const }
}
