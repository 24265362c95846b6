import { SCHEMA_VERSION } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { projections } from '../src/projections/index.ts'
import { startSystem } from './fixtures/system.ts'
import { created, userId } from './fixtures/user-events.ts'

const { broker, projector, visible } = await startSystem(t)

const poison = {
  'not-json': '{"name": "Jane Doe"',
  'unknown-type': JSON.stringify({ ...created(101), type: 'UserPromoted' }),
  'unknown-schema-version': JSON.stringify({ ...created(102), schemaversion: 0 }),
  invalid: JSON.stringify({ ...created(103), version: 'one' }),
}
/** The consumers of the subjects. */
const consumers = projections.map(({ name }) => name).sort()
const subject = (n: number) => `users.${userId(n)}.updated`
const letters = async () =>
  (await broker.deadLetters())
    .map(({ header, data }) => [header.get('consumer'), header.get('reason'), Buffer.from(data).toString()])
    .sort()

t.test('messages that can never be applied do not hold up others', async (t) => {
  await broker.publish(created(1))
  for (const [i, bytes] of Object.values(poison).entries()) await broker.publishBytes(subject(100 + i), bytes)
  await broker.publish(created(2))
  t.ok(await visible(1, 1))
  t.ok(await visible(2, 1))
  for (const consumer of consumers) await broker.allHandledBy(consumer)
  t.match(await projector.get('/readyz'), { status: 200 })
})

t.test('each consumer stores each with its original bytes, reason and origin', async (t) => {
  t.strictSame(
    await letters(),
    consumers.flatMap((consumer) => Object.entries(poison).map((letter) => [consumer, ...letter])).sort(),
  )
  for (const letter of await broker.deadLetters()) {
    const [, id] = letter.header.get('original-subject').split('.')
    t.equal(letter.subject, `users_dlq.${letter.header.get('consumer')}.${id}`)
    t.match(letter.header.get('original-subject'), /^users\.[^.]+\.updated$/)
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

t.test(
  'a user whose events stay unreadable has one letter of each consumer, however often they are repeated',
  async (t) => {
    const before = await letters()
    for (const name of ['first', 'second']) {
      await broker.publishBytes(subject(103), JSON.stringify({ ...created(103, { name }), version: 'one' }))
      for (const consumer of consumers) await broker.allHandledBy(consumer)
    }
    const now = await letters()
    t.equal(now.length, before.length)
    t.equal(now.filter(([, , data]) => data?.includes('"second"')).length, consumers.length, 'the newest')
  },
)

t.test(
  'an event of a newer schema, also of an unknown type, waits for a newer process and holds up nothing',
  async (t) => {
    const newer = { ...created(104), schemaversion: SCHEMA_VERSION + 1 }
    const before = await letters()
    await broker.publishBytes(subject(104), JSON.stringify(newer))
    await broker.publishBytes(subject(105), JSON.stringify({ ...newer, type: 'UserPromoted' }))
    await eventually(async () =>
      /^projector_newer_events_total\{consumer="users_read_v1"\} [4-9]/m.test(await projector.metrics()),
    )
    await broker.publish(created(3))
    t.ok(await visible(3, 1))
    t.ok(await eventually(async () => (await broker.consumer('users_read_v1')).num_ack_pending === 2))
    t.strictSame(await letters(), before)
    t.match(await projector.get('/readyz'), {
      status: 200,
      body: { status: 'degraded', checks: { 'schema version': 'down', 'read model': 'up' } },
    })
    const lines = projector.logs.filter(({ msg }) => /newer schema version/.test(msg))
    t.strictSame(lines.map(({ consumer }) => consumer).sort(), consumers, 'each consumer logs it once')
  },
)
