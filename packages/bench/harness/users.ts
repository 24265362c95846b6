import { randomUUIDv7 } from 'node:crypto'
import { type Role, SCHEMA_VERSION, type UserCreated } from '@cqrs/contracts'

/** The event of a new registration: of 100 users, 90 are buyers, 9 sellers and 1 is an admin. */
export function userCreated(n: number): UserCreated {
  const id = randomUUIDv7()
  const time = new Date().toISOString()
  return {
    specversion: '1.0',
    id: randomUUIDv7(),
    source: '/bench',
    type: 'UserCreated',
    subject: id,
    time,
    datacontenttype: 'application/json',
    schemaversion: SCHEMA_VERSION,
    version: 1,
    data: {
      tokensFromVersion: 1,
      user: {
        id,
        email: `user-${n}-${id.slice(-6)}@example.com`,
        name: `Benchmark User ${n}`,
        roles: [roleOf(n % 100)],
        isActive: true,
        createdAt: time,
        updatedAt: time,
      },
    },
  }
}

function roleOf(percent: number): Role {
  if (percent === 0) return 'admin'
  return percent < 10 ? 'seller' : 'buyer'
}
