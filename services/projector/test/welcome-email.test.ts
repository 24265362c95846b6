import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { moodyMail } from './fixtures/moody-mail.ts'
import { startSystem } from './fixtures/system.ts'
import { created, deleted, updated, userId } from './fixtures/user-events.ts'

const { broker, cli, database, mail, projector, visible, ...system } = await startSystem(t, {
  MAIL_FROM: 'The Users <welcome@shop.example>',
})
const allHandled = () => broker.allHandledBy('welcome-email')
const mailsTo = (n: number) => mail.mails.filter(({ envelopeTo }) => envelopeTo[0] === `user-${n}@example.com`)

t.test('a registration sends a welcome e-mail', async (t) => {
  await broker.publish(created(1))
  await eventually(() => mailsTo(1).length === 1)
  t.match(mailsTo(1), [
    {
      from: { name: 'The Users', address: 'welcome@shop.example' },
      to: [{ address: 'user-1@example.com' }],
      subject: 'Welcome',
      text: /^Hello User 1,/,
      html: /Hello User 1,/,
      messageId: `<welcome.${userId(1)}@shop.example>`,
    },
  ])
})

t.test('a duplicate registration, later or at the same time, sends no second mail', async (t) => {
  await broker.publish(created(1), created(2), created(2), created(2))
  await broker.publish(created(2), updated(2, 2), created(1))
  await eventually(() => mailsTo(2).length === 1)
  await allHandled()
  t.equal(mailsTo(1).length, 1)
  t.equal(mailsTo(2).length, 1)
})

t.test('a user who was deleted gets none', async (t) => {
  await broker.publish(deleted(3, 2))
  await visible(3, 2)
  await broker.publish(created(3))
  await allHandled()
  t.strictSame(mailsTo(3), [])
})

t.test('only the id and the time are recorded', async (t) => {
  const records = await database.db.collection('welcome_emails').find().toArray()
  t.strictSame(
    records.map((record) => Object.keys(record)),
    [
      ['_id', 'sentAt'],
      ['_id', 'sentAt'],
    ],
  )
})

t.test('a name is text, and is left out if it could carry a message of its own', async (t) => {
  const harmless = ['<Eve> & "co"', 'J. R. Smith Jr.', '李小龍']
  const hostile = [
    'Eve\r\nBcc: victim@example.com',
    'win at evil.example',
    'https://evil.example',
    'call tel:123 or mailto:x',
    '\u202eelpmaxe.live',
  ]
  const names = [...harmless, ...hostile]
  await broker.publish(...names.map((name, i) => created(40 + i, { name })))
  const texts: string[] = []
  for (const [i] of names.entries()) {
    const received = await eventually(() => mailsTo(40 + i)[0] ?? false)
    texts.push(received?.text?.split(',')[0] ?? '')
    t.notMatch(received?.html, /<Eve>|evil/)
    const headers = received?.headers.map(({ key }) => key).sort()
    t.strictSame(
      headers,
      mailsTo(1)[0]
        ?.headers.map(({ key }) => key)
        .sort(),
      'it adds no header',
    )
    t.ok(received?.headers.some(({ key, value }) => key === 'auto-submitted' && value === 'auto-generated'))
  }
  t.strictSame(texts, [...harmless.map((name) => `Hello ${name}`), ...hostile.map(() => 'Hello')])
})

t.test('an invalid address, or a list of addresses, reaches nobody', async (t) => {
  const addresses = ['a@example.com, b@example.com', 'c@example.com>\r\nRCPT TO:<d@example.com', '']
  const sentBefore = mail.mails.length
  await broker.publish(...addresses.map((email, i) => created(10 + i, { email })))
  await allHandled()
  t.equal(mail.mails.length, sentBefore)
  const letters = (await broker.deadLetters()).map(({ header }) => header.get('reason'))
  t.strictSame(letters, ['mail-refused', 'mail-refused', 'mail-refused'])
})

t.test('mail that is refused for now is sent later, and does not hold up other mail', async (t) => {
  mail.refuse(451)
  await broker.publish(created(5))
  await eventually(() => sendings(5) > 0)
  mail.accept()
  await broker.publish(created(6))
  await eventually(() => mailsTo(6).length === 1)
  await eventually(() => mailsTo(5).length === 1)
  await allHandled()
  t.equal(mailsTo(5).length, 1)
})

t.test('mail waits while the server is unavailable; the read model does not, nor the stream', async (t) => {
  await mail.stop()
  await broker.publish(created(7))
  await allHandled()
  t.ok(await visible(7, 1))
  await eventually(async () => (await projector.get('/readyz')).body.checks.mail === 'down')
  t.match(await projector.get('/readyz'), { status: 200, body: { status: 'degraded' } })
  await mail.start()
  await eventually(() => mailsTo(7).length === 1)
  await allHandled()
  t.equal(mailsTo(7).length, 1)
  await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')
})

t.test('mail that is not accepted holds up nothing: it leaves the stream, and others are sent', async (t) => {
  const poisoned = await moodyMail(t, {
    ...Object.fromEntries(numbers(100, 40).map((n) => [`user-${n}@example.com`, { RCPT: 451 }])),
    ...Object.fromEntries(numbers(200, 25).map((n) => [`user-${n}@example.com`, { 'in mid-mail': 'break' }])),
  })
  const other = await startSystem(t, { SMTP_URL: poisoned.url })
  const held = [...numbers(100, 40), ...numbers(200, 25)]
  await other.broker.publish(...held.map((n) => created(n)))
  await other.broker.publish(created(300), created(301))
  await eventually(() => poisoned.accepted.length === 2)
  t.strictSame(poisoned.accepted.toSorted(), ['user-300@example.com', 'user-301@example.com'])
  await other.broker.allHandledBy('welcome-email')
  const waiting = /^projector_waiting_mails 65$/m
  await eventually(async () => waiting.test(await other.projector.metrics()))
  t.match(await other.broker.deadLetters(), [])
  t.match((await other.projector.get('/readyz')).body, { checks: { mail: 'up' } })

  const old = { ...created(400), time: new Date(Date.now() - 4 * 24 * 3_600_000).toISOString() }
  await other.broker.publish(old)
  await eventually(() => other.projector.logs.some(({ msg }) => msg === 'event is too old and was not handled'))
  await other.broker.allHandledBy('welcome-email')
  t.notOk(poisoned.accepted.includes('user-400@example.com'))
})

t.test('mail that is refused for good becomes a dead letter', async (t) => {
  mail.refuse(550)
  await broker.publish(created(8))
  await allHandled()
  mail.accept()
  const letter = (await broker.deadLetters()).find(({ data }) => Buffer.from(data).includes(userId(8)))
  t.equal(letter?.subject, `users_dlq.welcome-email.${userId(8)}`)
  t.equal(letter?.header.get('reason'), 'mail-refused')
  t.match(letter?.header.get('detail'), '550')
  t.strictSame(letter?.json(), created(8))
})

t.test('a read database that is lost and filled again by a repair sends no second mail', async (t) => {
  const writeSide = system.writeSide()
  writeSide.record(created(1), created(2), created(9))
  for (const collection of await database.db.collections()) await collection.deleteMany({})
  t.match(await cli('verify', '--repair'), { code: 0, stdout: /^users_read_v1: 3 events published$/m })
  for (const n of [1, 2, 9]) t.ok(await visible(n, 1))
  await allHandled()
  t.strictSame(
    [1, 2, 9].map((n) => mailsTo(n).length),
    [1, 1, 0],
  )
})

t.test('no address and no name is logged', async (t) => {
  t.notMatch(JSON.stringify(projector.logs), /User \d|user-\d|Eve|victim/)
})

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)
const sendings = (n: number) =>
  projector.logs.filter((line) => line['user_id'] === userId(n) && line.msg === 'Sending welcome email to user...')
    .length
