import { usersReadIndexes } from '@cqrs/contracts'
import t from 'tap'
import { project } from '../../src/projections/projection.ts'
import { usersRead } from '../../src/projections/users-read.ts'
import { created, deleted, updated, userId } from '../fixtures/user-events.ts'

t.test('a registration gives the whole user, with the derived fields', async (t) => {
  const event = created(1, { roles: ['buyer'], createdAt: '2026-11-23T09:30:00.000Z' })
  t.strictSame(project(usersRead, event), {
    _id: userId(1),
    email: 'user-1@example.com',
    name: 'User 1',
    roles: ['buyer'],
    isActive: true,
    createdAt: new Date('2026-11-23T09:30:00.000Z'),
    updatedAt: new Date(event.data.user.updatedAt),
    roleCount: 1,
    isBuyer: true,
    isSeller: false,
    version: 1,
    tokensFromVersion: 1,
  })
})

t.test('an update does not depend on the stored document', async (t) => {
  const event = updated(1, 7, { name: 'Jane', roles: ['seller', 'admin'], isActive: false })
  t.match(project(usersRead, event), {
    _id: userId(1),
    name: 'Jane',
    isActive: false,
    roleCount: 2,
    isBuyer: false,
    isSeller: true,
    version: 7,
  })
})

t.test('which tokens are revoked, and since when, is kept', async (t) => {
  const tokens = { tokensFromVersion: 4, tokensRevokedAt: '2026-11-23T09:30:00.000Z' }
  t.match(project(usersRead, updated(1, 7, {}, tokens)), {
    tokensFromVersion: 4,
    tokensRevokedAt: new Date('2026-11-23T09:30:00.000Z'),
  })
})

t.test('a deletion leaves a tombstone for 30 days, and no personal data', async (t) => {
  const event = deleted(1, 8)
  event.data.deletedAt = '2026-11-01T00:00:00.000Z'
  t.strictSame(project(usersRead, event), {
    _id: userId(1),
    version: 8,
    deletedAt: new Date('2026-11-01T00:00:00.000Z'),
    expiresAt: new Date('2026-12-01T00:00:00.000Z'),
  })
})

t.test('it fills the collection that query-api reads', async (t) => {
  t.match(usersRead, { name: 'users_read_v1', indexes: usersReadIndexes })
})
