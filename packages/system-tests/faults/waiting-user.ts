import { randomUUIDv7 } from 'node:crypto'
import { SCHEMA_VERSION } from '@cqrs/contracts'

/** A user as an outage of NATS leaves it: stored, with the events of every version not yet published. */
export function waitingUser({ events = 1 } = {}) {
  const id = randomUUIDv7()
  const now = new Date()
  const user = { email: `${id}@waiting.example.com`, name: 'Waiting', roles: ['buyer'], isActive: true }
  const outbox = Array.from({ length: events }, (_, i) => ({
    specversion: '1.0',
    id: randomUUIDv7(),
    source: '/command-api',
    type: i === 0 ? 'UserCreated' : 'UserUpdated',
    subject: id,
    time: now.toISOString(),
    datacontenttype: 'application/json',
    schemaversion: SCHEMA_VERSION,
    version: i + 1,
    data: {
      user: { id, ...user, createdAt: now.toISOString(), updatedAt: now.toISOString() },
      tokensFromVersion: 1,
      ...(i > 0 && { changed: ['name'] }),
    },
  }))
  const times = { createdAt: now, updatedAt: now, pendingSince: now }
  return { _id: id, ...user, ...times, passwordHash: '', version: events, tokensFromVersion: 1, outbox }
}
