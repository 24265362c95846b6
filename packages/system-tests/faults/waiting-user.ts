import { randomUUIDv7 } from 'node:crypto'
import { SCHEMA_VERSION } from '@cqrs/contracts'

/**
 * A user as an outage of NATS leaves it: stored, with events that are not yet published.
 * @param options.from the version of the first of them; 1 is the registration, for which an e-mail is due
 */
export function waitingUser({ events = 1, from = 1 } = {}) {
  const id = randomUUIDv7()
  const now = new Date()
  const user = { email: `${id}@waiting.example.com`, name: 'Waiting', roles: ['buyer'], isActive: true }
  const outbox = Array.from({ length: events }, (_, i) => from + i).map((version) => ({
    specversion: '1.0',
    id: randomUUIDv7(),
    source: '/command-api',
    type: version === 1 ? 'UserCreated' : 'UserUpdated',
    subject: id,
    time: now.toISOString(),
    datacontenttype: 'application/json',
    schemaversion: SCHEMA_VERSION,
    version,
    data: {
      user: { id, ...user, createdAt: now.toISOString(), updatedAt: now.toISOString() },
      tokensFromVersion: 1,
      ...(version > 1 && { changed: ['name'] }),
    },
  }))
  const times = { createdAt: now, updatedAt: now, pendingSince: now }
  return { _id: id, ...user, ...times, passwordHash: '', version: from + events - 1, tokensFromVersion: 1, outbox }
}
