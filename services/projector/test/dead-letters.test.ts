import { SCHEMA_VERSION } from '@cqrs/contracts'
import t from 'tap'
import { startSystem } from './fixtures/system.ts'
import { created, userId } from './fixtures/user-events.ts'

const { broker, projector, visible } = await startSystem(t)

const poison = {
  'not-json': '{"name": "Jane Doe"',
  'unknown-type': JSON.stringify({ ...created(101), type: 'UserPromoted' }),
  'unknown-schema-version': JSON.stringify({ ...created(102), schemaversion: SCHEMA_VERSION + 1 }),
  invalid: JSON.stringify({ ...created(103), version: 'one' }),
}
/** The consumers of the subject. */
const consumers = ['user_stats', 'users_read']
const subject = `users.${userId(100)}.updated`

t.test('messages that can never be applied do not hold up others', async (t) => {
  await broker.publish(created(1))
  for (const bytes of Object.values(poison)) await broker.publishBytes(subject, bytes)
  await broker.publish(created(2))
  t.ok(await visible(1, 1))
  t.ok(await visible(2, 1))
  for (const consumer of consumers) await broker.allHandledBy(consumer)
  t.match(await projector.get('/readyz'), { status: 200 })
})

t.test('each consumer stores each with its original bytes, reason and origin', async (t) => {
  const letters = await broker.deadLetters()
  t.strictSame(
    letters
      .map(({ header, data }) => [header.get('consumer'), header.get('reason'), Buffer.from(data).toString()])
      .sort(),
    consumers.flatMap((consumer) => Object.entries(poison).map((letter) => [consumer, ...letter])).sort(),
  )
  for (const letter of letters) {
    t.equal(letter.subject, `users_dlq.${letter.header.get('consumer')}.${userId(100)}`)
    t.equal(letter.header.get('original-subject'), subject)
    t.match(letter.header.get('stream-sequence'), /^[2-5]$/)
    t.match(letter.header.get('time'), /^\d{4}-\d\d-\d\dT.*Z$/)
    t.match(letter.header.get('detail'), letter.header.get('reason'))
  }
})

t.test('the log gives the reason of each, and nothing of its content', async (t) => {
  const lines = projector.logs.filter(({ msg }) => msg === 'message moved to the dead-letter stream')
  t.strictSame(
    lines.map(({ consumer, reason }) => [consumer, reason]).sort(),
    consumers.flatMap((consumer) => Object.keys(poison).map((reason) => [consumer, reason])).sort(),
  )
  for (const line of lines) t.match(line, { level: 'error', stream_sequence: Number })
  t.notMatch(JSON.stringify(projector.logs), /Jane|UserPromoted|user-10\d@/)
})
