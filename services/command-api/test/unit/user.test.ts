import t from 'tap'
import { type Context, publicState, raise, register, remove, restore, update } from '../../src/domain/user.ts'

const now = new Date('2026-11-23T09:30:00.000Z')
const later = new Date('2026-11-23T10:00:00.000Z')
const id = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'
const otherId = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c38'
const input = { email: 'Jane@Example.com', password: 'password123', name: 'Jane', roles: ['buyer' as const] }
const at = (date: Date, caller?: Context['caller']): Context => ({
  now: date,
  eventId: `event at ${date.toISOString()}`,
  caller,
})
const jane = register(id, input, 'the hash', at(now)).state
const self = { id, roles: ['buyer'] }
const admin = { id: otherId, roles: ['admin'] }

t.test('a registration is version 1 with the normalised e-mail address, and so is its event', async (t) => {
  const { state, event } = register(id, input, 'the hash', { ...at(now), traceparent: '00-abc-def-01' })
  t.match(state, { id, email: 'jane@example.com', isActive: true, version: 1, createdAt: now, updatedAt: now })
  t.strictSame(event, {
    specversion: '1.0',
    id: at(now).eventId,
    source: '/command-api',
    subject: id,
    time: '2026-11-23T09:30:00.000Z',
    datacontenttype: 'application/json',
    schemaversion: 2,
    version: 1,
    traceparent: '00-abc-def-01',
    type: 'UserCreated',
    data: { user: publicState(state), tokensFromVersion: 1 },
  })
  t.notMatch(JSON.stringify(event), /the hash|password/, 'no secret in the event')
})

t.test('an update moves to the next version and names what changed', async (t) => {
  const change = update(jane, { name: 'Jane Doe', roles: ['seller', 'buyer'] }, at(later, self))
  t.match(change?.state, { name: 'Jane Doe', roles: ['seller', 'buyer'], version: 2, createdAt: now, updatedAt: later })
  t.match(change?.event, {
    type: 'UserUpdated',
    version: 2,
    data: { changed: ['name', 'roles'], user: { name: 'Jane Doe' } },
  })
  t.strictSame(update(jane, { name: 'J', roles: ['buyer'] }, at(later, self))?.event.data, {
    changed: ['name'],
    tokensFromVersion: 1,
    user: { ...publicState(jane), name: 'J', updatedAt: later.toISOString() },
  })
})

t.test('an update that changes nothing has no event', async (t) => {
  t.equal(update(jane, { name: 'Jane', roles: ['buyer'] }, at(later, self)), undefined)
})

t.test('only another admin grants the role admin, and an admin keeps it', async (t) => {
  const toAdmin = { name: 'Jane', roles: ['buyer' as const, 'admin' as const] }
  t.throws(() => update(jane, toAdmin, at(later, self)), { code: 'role-not-allowed' })
  t.throws(
    () => update(jane, toAdmin, at(later, { id, roles: ['admin'] })),
    { code: 'role-not-allowed' },
    'a former admin whose token still says admin',
  )
  const promoted = update(jane, toAdmin, at(later, admin))?.state
  t.strictSame(promoted?.roles, ['buyer', 'admin'])
  t.ok(promoted && update(promoted, { ...toAdmin, name: 'Jo' }, at(later, { id, roles: ['admin'] })))
})

t.test('a deletion leaves a tombstone and an event without personal data', async (t) => {
  const { state, event } = remove(jane, at(later, self))
  t.strictSame(state, { id, version: 2, deletedAt: later })
  t.match(event, { type: 'UserDeleted', version: 2, subject: id })
  t.notMatch(JSON.stringify({ state, event }), /jane/i)
})

t.test('a user is raised above the version of the read side without another change', async (t) => {
  const raised = raise(jane, 6, at(later))
  t.strictSame(raised?.state, { ...jane, version: 7 })
  t.match(raised?.event, { type: 'UserUpdated', version: 7, data: { user: publicState(jane), changed: [] } })
  t.equal(raise(jane, 0, at(later)), undefined, 'it is above already')
})

t.test('a restored user has a version above all that was published, and no session', async (t) => {
  const { state, event } = restore(jane, 1_000_001, at(later))
  const revoked = { tokensFromVersion: 1_000_001, tokensRevokedAt: later }
  t.strictSame(state, { ...jane, version: 1_000_001, ...revoked })
  t.match(event, { version: 1_000_001, data: { tokensFromVersion: 1_000_001, changed: ['sessions'] } })
})
