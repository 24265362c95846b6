import t from 'tap'
import { eventOf, parseUserEvent, SCHEMA_VERSION, type Snapshot } from '../../src/index.ts'

const id = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'
const time = '2026-11-23T09:30:00.000Z'
const state = {
  id,
  email: 'jane@example.com',
  name: 'Jane',
  roles: ['buyer' as const],
  isActive: true,
  createdAt: time,
  updatedAt: time,
}
const live: Snapshot = { id, version: 4, user: state, tokensFromVersion: 3, tokensRevokedAt: time }
const tombstone: Snapshot = { id, version: 5, deletedAt: time }
const origin = { id: 'event-1', source: '/test', time }
const envelope = {
  specversion: '1.0',
  ...origin,
  subject: id,
  datacontenttype: 'application/json',
  schemaversion: SCHEMA_VERSION,
}
const data = { user: state, tokensFromVersion: 3, tokensRevokedAt: time }

for (const [what, snapshot, expected] of [
  ['a user', live, { type: 'UserUpdated', version: 4, data: { ...data, changed: [] } }],
  [
    'a user as registered',
    { ...live, version: 1 },
    { type: 'UserUpdated', version: 1, data: { ...data, changed: [] } },
  ],
  ['a tombstone', tombstone, { type: 'UserDeleted', version: 5, data: { deletedAt: time } }],
] as const) {
  t.test(`the event of ${what}`, async (t) => {
    const event = eventOf(snapshot, origin)
    t.match(event, { ...envelope, ...expected })
    t.strictSame(parseUserEvent(Buffer.from(JSON.stringify(event))), event, 'readers accept it')
  })
}

t.test('the trace context is part of the envelope only where there is one', async (t) => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  t.equal(eventOf(live, { ...origin, traceparent }).traceparent, traceparent)
  t.notOk('traceparent' in eventOf(live, { ...origin, traceparent: undefined }))
})
