import t from 'tap'
import { eventually } from './fixtures/eventually.ts'
import { startSystem } from './fixtures/system.ts'
import { created, userId } from './fixtures/user-events.ts'

const { broker, projector, visible } = await startSystem(t)

const poison = {
  'not-json': '{"name": "Jane Doe"',
  'unknown-type': JSON.stringify({ ...created(101), type: 'UserPromoted' }),
  'unknown-schema-version': JSON.stringify({ ...created(102), schemaversion: 2 }),
  invalid: JSON.stringify({ ...created(103), version: 'one' }),
}
const subject = `users.${userId(100)}.updated`

t.test('messages that can never be applied do not hold up the others', async (t) => {
  await broker.publish(created(1))
  for (const bytes of Object.values(poison)) await broker.publishBytes(subject, bytes)
  await broker.publish(created(2))
  t.ok(await visible(1, 1))
  t.ok(await visible(2, 1))
  await broker.allHandledBy('users_read')
  t.match(await projector.get('/readyz'), { status: 200 })
})

t.test('each of them is kept as it came, with the reason and where it came from', async (t) => {
  const letters = await eventually(async () => {
    const letters = await broker.deadLetters()
    return letters.length >= 4 && letters
  })
  t.strictSame(
    letters.map(({ header, data }) => [header.get('reason'), Buffer.from(data).toString()]).sort(),
    Object.entries(poison).sort(),
  )
  for (const letter of letters) {
    t.equal(letter.subject, 'users_dlq.users_read')
    t.equal(letter.header.get('consumer'), 'users_read')
    t.equal(letter.header.get('original-subject'), subject)
    t.match(letter.header.get('stream-sequence'), /^[2-5]$/)
    t.match(letter.header.get('time'), /^\d{4}-\d\d-\d\dT.*Z$/)
    t.match(letter.header.get('detail'), letter.header.get('reason'))
  }
})

t.test('the log says that and why, and nothing of what is in them', async (t) => {
  const lines = projector.logs.filter(({ msg }) => msg === 'message set aside as a dead letter')
  t.strictSame(lines.map(({ reason }) => reason).sort(), Object.keys(poison).sort())
  t.match(lines, [{ level: 'error', consumer: 'users_read', stream_sequence: Number }])
  t.notMatch(JSON.stringify(projector.logs), /Jane|UserPromoted|user-10\d@/)
})
