import t from 'tap'
import { activate, deactivate, replacePassword } from '../../src/domain/access.ts'
import { type Context, publicState, register, restate, tokenState, update } from '../../src/domain/user.ts'

const now = new Date('2026-11-23T09:30:00.000Z')
const later = new Date('2026-11-23T10:00:00.000Z')
const id = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'
const at = (date: Date, caller?: Context['caller']): Context => ({ now: date, eventId: 'an event', caller })
const input = { email: 'jane@example.com', password: 'password123', name: 'Jane', roles: ['buyer' as const] }
const jane = register(id, input, 'the hash', at(now)).state
const self = { id, roles: ['buyer'] }
const admin = { id: '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c38', roles: ['admin'] }

t.test('a new password revokes every earlier token, and its event holds no secret', async (t) => {
  const { state, event } = replacePassword(jane, 'another hash', at(later, self))
  t.match(state, { passwordHash: 'another hash', version: 2, tokensFromVersion: 2, tokensRevokedAt: later })
  t.match(event, { type: 'UserUpdated', version: 2, data: { changed: ['password'], ...tokenState(state) } })
  t.notMatch(JSON.stringify(event), /hash/)
})

t.test('a deactivation ends sessions, and an activation restores none', async (t) => {
  const inactive = deactivate(jane, at(later, admin))?.state ?? jane
  t.match(inactive, { isActive: false, version: 2, tokensFromVersion: 2 })
  t.equal(deactivate(inactive, at(later, admin)), undefined)
  const active = activate(inactive, at(later, admin))?.state ?? jane
  t.match(active, { isActive: true, version: 3, tokensFromVersion: 2, tokensRevokedAt: later })
  t.equal(activate(active, at(later, admin)), undefined)
})

t.test('every later event repeats which tokens are revoked, also a republished one', async (t) => {
  const { state } = replacePassword(jane, 'another hash', at(later, self))
  const tokens = { tokensFromVersion: 2, tokensRevokedAt: later.toISOString() }
  t.match(update(state, { name: 'Jo', roles: ['buyer'] }, at(later, self))?.event.data, tokens)
  const snapshot = { id, version: 2, user: publicState(state), ...tokenState(state) }
  for (const readVersion of [0, 1]) t.match(restate(id, snapshot, readVersion, at(later))?.data, tokens)
})
