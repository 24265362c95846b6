import { eventOf, type Snapshot } from '@cqrs/contracts'
import { type Projection, project } from '@cqrs/projector'

/** What a projection makes of some users, with its indexes: the same of other code that makes the same. */
export function fingerprintOf(projection: Projection): string {
  const documents = samples.map((snapshot) => project(projection, eventOf(snapshot, origin)))
  const tallies = documents.map((document) => projection.sums?.tally(document))
  return JSON.stringify([projection.indexes, documents, tallies])
}

const id = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'
const [createdAt, updatedAt] = ['2026-11-23T09:30:00.000Z', '2026-11-24T10:40:00.000Z']
const origin = { id: 'sample', source: '/projector', time: updatedAt }
const user = {
  id,
  email: 'user@example.com',
  name: 'Jo',
  roles: ['buyer' as const],
  isActive: true,
  createdAt,
  updatedAt,
}

const samples: Snapshot[] = [
  { id, version: 1, user, tokensFromVersion: 1 },
  {
    id,
    version: 3,
    user: { ...user, roles: ['seller', 'admin'], isActive: false },
    tokensFromVersion: 3,
    tokensRevokedAt: updatedAt,
  },
  { id, version: 4, deletedAt: updatedAt },
]
