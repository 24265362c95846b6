import { parseUserEvent, type UserCreated } from '@cqrs/contracts'
import { eventually, freshDatabase } from '@cqrs/local-stack/testing'
import { createLogger, ensureCollections } from '@cqrs/service-kit'
import { MongoClient } from 'mongodb'
import t, { type Test } from 'tap'
import type { PermanentFailure } from '../src/consuming/failures.ts'
import { project } from '../src/projections/projection.ts'
import { usersRead } from '../src/projections/users-read.ts'
import { ReadModel } from '../src/read-store/read-model.ts'
import { Mailer } from '../src/welcome-email/mailer.ts'
import { welcomeEmail } from '../src/welcome-email/welcome-email.ts'
import { WelcomeEmailRecord, welcomeEmailsCollection } from '../src/welcome-email/welcome-email-record.ts'
import { moodyMail } from './fixtures/moody-mail.ts'
import { created, deleted, userId } from './fixtures/user-events.ts'

const database = await freshDatabase(t)
const emails = database.db.collection<{ _id: string; [field: string]: unknown }>('welcome_emails')
const users = database.db.collection<{ _id: string }>('users_read_v1')
// One process makes the collection: MongoDB's build for Windows under wine does not survive two.
await ensureCollections(database.db, [welcomeEmailsCollection])

t.test('two processes get the same registration: one sends, the other does nothing', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  mail.become('RCPT', 'hang')
  const first = processes[0].handle(created(1))
  await eventually(() => mail.times('RCPT') === 1)
  await processes[1].handle(created(1))
  t.equal(await processes[1].sendDue(), 0)
  mail.answer()
  await first
  await processes[1].handle(created(1))
  t.equal(mail.times('end of mail'), 1)
})

t.test('the other process also leaves a mail that was handed over and has no response yet', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  mail.become('end of mail', 'hang')
  const first = processes[0].handle(created(2))
  await eventually(() => mail.times('end of mail') === 1)
  await processes[1].handle(created(2))
  t.equal(await processes[1].sendDue(), 0)
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
  await isOver(3)
  mail.become('RCPT', 250)
  await processes[1].handle(created(3))
  mail.answer()
  await slow
  t.equal(mail.times('end of mail'), 1)
  await processes[0].handle(created(3))
  t.equal(mail.times('end of mail'), 1)
})

t.test('a mail that a dead process handed over is not sent again; one that it only claimed is', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  for (const n of [4, 5]) await emails.insertOne({ _id: userId(n), ...claimOfTheDead, ...(n === 4 && handedOver) })
  await processes[0].handle(created(4))
  t.equal(mail.times('end of mail'), 0)
  t.match(await emails.findOne({ _id: userId(4) }), { lostAt: Date, handedOverAt: undefined })
  await processes[0].handle(created(5))
  t.equal(mail.times('end of mail'), 1)
})

t.test('a mail that the server does not accept waits, longer each time, and is sent by any process', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  await users.insertOne(readModelOf(6))
  const waitsMs = async () => {
    const email = await emails.findOne({ _id: userId(6) })
    t.strictSame(Object.keys(email ?? {}).sort(), ['_id', 'about', 'attempts', 'claimedUntil', 'registeredAt'])
    return Number(email?.['claimedUntil']) - Date.now()
  }
  const waits: number[] = []
  for (const mood of [451, 'break', 421] as const) {
    mail.become('end of mail', mood)
    if (waits.length === 0) await processes[0].handle(created(6))
    else t.equal(await processes[0].sendDue(), 1)
    waits.push(await waitsMs())
    await processes[1].handle(created(6))
    t.equal(await processes[1].sendDue(), 0, 'not before it is due')
    await isOver(6)
  }
  t.ok(
    waits.every((wait, i) => wait > 3_000 * 4 ** i && wait <= 5_000 * 4 ** i),
    waits.join(),
  )
  mail.become('end of mail', 250)
  t.equal(await processes[1].sendDue(), 1)
  await processes[0].handle(created(6))
  t.equal(await processes[0].sendDue(), 0)
  t.strictSame(mail.accepted, ['user-6@example.com'])
  t.equal(mail.times('end of mail'), 4)
})

t.test('a mail that waited and is refused, or was not accepted for three days, becomes a dead letter', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  for (const [n, mood, registeredAt, reason] of [
    [10, 550, new Date(), 'mail-refused'],
    [11, 451, daysAgo(3.1), 'mail-deferred'],
    [12, 451, daysAgo(2.9), undefined],
  ] as const) {
    await users.insertOne(readModelOf(n))
    await emails.insertOne({ _id: userId(n), claimedUntil: new Date(0), registeredAt, attempts: 70 })
    mail.become('RCPT', mood)
    t.equal(await processes[0].sendDue(), 1)
    const [event, failure] = processes[0].letters.splice(0)[0] ?? []
    t.equal(failure?.reason, reason)
    if (event) t.strictSame(parseUserEvent(Buffer.from(JSON.stringify(event))), event)
    t.equal((await emails.countDocuments({ _id: userId(n) })) === 0, reason !== undefined)
  }
  await emails.deleteMany({ _id: userId(12) })
})

t.test('the mail of a deleted user is not sent, and one of a user who is not visible yet waits', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  await users.insertOne({ ...project(usersRead, deleted(13, 2)) })
  for (const n of [13, 14, 15])
    await emails.insertOne({ _id: userId(n), claimedUntil: new Date(0), registeredAt: daysAgo(n === 15 ? 4 : 0) })
  await processes[0].sendDue()
  await processes[0].sendDue()
  await processes[0].sendDue()
  t.equal(mail.times('MAIL'), 0)
  t.strictSame(await emails.distinct('_id', { _id: { $in: [13, 14, 15].map(userId) } }), [userId(14)])
  await emails.deleteMany({ _id: userId(14) })
})

t.test('times are by the clock of the database; one that no right clock can set is over', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  await users.insertMany([readModelOf(16), readModelOf(17)])
  const far = { claimedUntil: new Date(Date.now() + 100 * 24 * 3_600_000), registeredAt: new Date(), attempts: 0 }
  await emails.insertMany([16, 17].map((n) => ({ _id: userId(n), ...far, ...(n === 17 && { claimedBy: 'another' }) })))
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() - 10 * 24 * 3_600_000
  await eventually(async () => {
    await processes[0].sendDue()
    return mail.accepted.length === 2
  })
  t.strictSame(mail.accepted.toSorted(), ['user-16@example.com', 'user-17@example.com'])
  const sent = await emails.find({ _id: { $in: [16, 17].map(userId) } }).toArray()
  t.ok(sent.every(({ sentAt }) => Math.abs(Number(sentAt) - now()) < 3_600_000))
})

t.test('one process sends a mail once, however it learns of it', async (t) => {
  const { mail, processes } = await twoProcesses(t)
  await users.insertOne(readModelOf(18))
  mail.become('RCPT', 'hang')
  const slow = processes[0].handle(created(18))
  await eventually(() => mail.times('RCPT') === 1)
  await isOver(18)
  t.equal(await processes[0].sendDue(), 0)
  await processes[0].handle(created(18))
  mail.answer()
  await slow
  t.equal(mail.times('RCPT'), 1)
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

const readModelOf = (n: number) => ({ ...project(usersRead, created(n)) })
const daysAgo = (days: number) => new Date(Date.now() - days * 24 * 3_600_000)

/** A claim runs out, or a mail that waits is due. */
const isOver = (n: number) => emails.updateOne({ _id: userId(n) }, { $set: { claimedUntil: new Date(0) } })

/** The welcome e-mail of two projectors, each with its own connections. */
async function twoProcesses(t: Test) {
  const mail = await moodyMail(t)
  const process = () => {
    const client = new MongoClient(database.uri)
    const logger = createLogger('test', 'silent')
    const mailer = new Mailer({ url: mail.url, requireTls: false, from: 'Users <no-reply@example.com>', logger })
    const letters: [UserCreated, PermanentFailure][] = []
    const setAside = async (...letter: [UserCreated, PermanentFailure]) => void letters.push(letter)
    t.teardown(() => Promise.all([mailer.close(), client.close()]))
    const record = new WelcomeEmailRecord(client.db(), new ReadModel(client.db(), usersRead))
    const { handle, sendDue } = welcomeEmail({ mailer, record, setAside, logger })
    return { client, letters, sendDue, handle: (event: UserCreated) => Promise.all(handle([event])) }
  }
  return { mail, processes: [process(), process()] as const }
}
