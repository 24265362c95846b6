import t from 'tap'
import * as contracts from '../../src/index.ts'
import {
  parseUserEvent,
  SCHEMA_VERSION,
  subjectOf,
  UnreadableEvent,
  type UnreadableReason,
  type UserEvent,
  type UserEventType,
} from '../../src/index.ts'

const id = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'
const user = {
  id,
  email: 'jane@example.com',
  name: 'Jane',
  roles: ['buyer' as const],
  isActive: true,
  createdAt: '2026-11-23T09:30:00.000Z',
  updatedAt: '2026-11-23T09:30:00.000Z',
}
const envelope = {
  specversion: '1.0' as const,
  id: '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c38',
  source: '/command-api',
  subject: id,
  time: '2026-11-23T09:30:00.000Z',
  datacontenttype: 'application/json' as const,
  schemaversion: SCHEMA_VERSION,
  version: 1,
}

// A new type of event does not compile until it has an example here.
const examples: { [Type in UserEventType]: { event: UserEvent & { type: Type }; subject: string } } = {
  UserCreated: {
    event: { ...envelope, type: 'UserCreated', data: { user, tokensFromVersion: 1 } },
    subject: `users.${id}.created`,
  },
  UserUpdated: {
    event: { ...envelope, type: 'UserUpdated', version: 2, data: { user, changed: ['name'], tokensFromVersion: 1 } },
    subject: `users.${id}.updated`,
  },
  UserDeleted: {
    event: { ...envelope, type: 'UserDeleted', version: 3, data: { deletedAt: envelope.time } },
    subject: `users.${id}.deleted`,
  },
}

for (const [type, { event, subject }] of Object.entries(examples)) {
  t.test(type, async (t) => {
    t.strictSame(parse(event), event, 'is parsed unchanged')
    t.equal(subjectOf(event), subject)
    t.ok(takenByStream(subject), 'the stream covers its subject')
    t.ok(type in contracts, 'its schema is exported')

    const traced = { ...event, traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' }
    t.strictSame(parse(traced), traced, 'can carry a trace context')
    t.ok(parse({ ...event, futureattribute: 1 }), 'an unknown attribute is accepted')

    for (const field of Object.keys(event).filter((name) => name !== 'type' && name !== 'schemaversion')) {
      const { reason, message } = refused({ ...event, [field]: undefined })
      t.equal(reason, 'invalid', `without ${field}`)
      t.match(message, field, 'the message names the field')
    }
    for (const field of Object.keys(event.data)) {
      t.equal(refused({ ...event, data: { ...event.data, [field]: undefined } }).reason, 'invalid', `without ${field}`)
    }
  })
}

t.test('a UserDeleted holds no personal data', async (t) => {
  t.notMatch(JSON.stringify(examples.UserDeleted.event), /jane/i)
})

const { event } = examples.UserCreated
const unreadable: Record<string, [unknown, UnreadableReason]> = {
  'no bytes': [Buffer.alloc(0), 'not-json'],
  'no JSON': [Buffer.from('{"type":'), 'not-json'],
  'no UTF-8': [Buffer.from([0x22, 0xff, 0x22]), 'not-json'],
  null: [null, 'unknown-type'],
  'a number': [1, 'unknown-type'],
  'a list': [[], 'unknown-type'],
  'no type': [{ ...event, type: undefined }, 'unknown-type'],
  'another type': [{ ...event, type: 'UserPromoted' }, 'unknown-type'],
  'a type that every object has': [{ ...event, type: 'constructor' }, 'unknown-type'],
  'a type that is no text': [{ ...event, type: ['UserCreated'] }, 'unknown-type'],
  'no schema version': [{ ...event, schemaversion: undefined }, 'unknown-schema-version'],
  'a newer schema version': [{ ...event, schemaversion: SCHEMA_VERSION + 1 }, 'newer-schema-version'],
  'a type that only a newer schema has': [
    { ...event, type: 'UserMoved', schemaversion: SCHEMA_VERSION + 1 },
    'newer-schema-version',
  ],
  'schema version 0': [{ ...event, schemaversion: 0 }, 'unknown-schema-version'],
  'a schema version as text': [{ ...event, schemaversion: '1' }, 'unknown-schema-version'],
  'version 0': [{ ...event, version: 0 }, 'invalid'],
  'half a version': [{ ...event, version: 1.5 }, 'invalid'],
  'a subject that would be two levels': [{ ...event, subject: 'a.b' }, 'invalid'],
  'a subject that is a wildcard': [{ ...event, subject: '>' }, 'invalid'],
  'a time that is none': [{ ...event, time: 'yesterday' }, 'invalid'],
  'a first good version of tokens that is none': [{ ...event, data: { user, tokensFromVersion: 0 } }, 'invalid'],
  'data of version 1 that is none': [{ ...event, schemaversion: 1, data: null }, 'invalid'],
  'the data of another type': [{ ...event, data: examples.UserDeleted.event.data }, 'invalid'],
  'an unknown role': [{ ...event, data: { user: { ...user, roles: ['owner'] } } }, 'invalid'],
}
for (const [what, [sent, reason]] of Object.entries(unreadable)) {
  t.test(`an unreadable event: ${what}`, async (t) => {
    t.equal(refused(sent).reason, reason)
  })
}

t.test('events of schema version 1, which had no revocation, are upcast', async (t) => {
  const { UserCreated, UserUpdated, UserDeleted } = examples
  for (const [old, now] of [
    [{ user }, UserCreated.event],
    [{ user, changed: ['name'] }, UserUpdated.event],
    [UserDeleted.event.data, UserDeleted.event],
  ] as const)
    t.strictSame(parse({ ...now, schemaversion: 1, data: old }), now)
})

t.test('an event can carry when tokens were last revoked', async (t) => {
  const revoked = { ...event, data: { user, tokensFromVersion: 3, tokensRevokedAt: envelope.time } }
  t.strictSame(parse(revoked), revoked)
})

t.test('the error message goes to logs, so it holds no value of the event', async (t) => {
  const { message } = refused({
    ...event,
    time: 'secret-1',
    data: { user: { ...user, id: 'secret-2', roles: ['secret-3'], isActive: 'secret-4' } },
  })
  t.equal(message.split('\n').length, 1)
  for (const field of ['/time', '/data/user/id', '/data/user/roles/0', '/data/user/isActive']) t.match(message, field)
  t.notMatch(message, /secret|jane|019a6f0c/i)
  t.notMatch(refused(Buffer.from('secret {')).message, /secret/)
  t.notMatch(refused({ ...event, type: 'secret' }).message, /secret/)
})

function parse(sent: unknown): UserEvent {
  return parseUserEvent(Buffer.isBuffer(sent) ? sent : Buffer.from(JSON.stringify(sent)))
}

function refused(sent: unknown): UnreadableEvent {
  try {
    parse(sent)
  } catch (error) {
    if (error instanceof UnreadableEvent) return error
    throw error
  }
  throw new Error('it was parsed')
}

/** Whether the stream's configuration covers the subject (`*` is one level). */
function takenByStream(subject: string): boolean {
  return contracts.usersStream.subjects.some((pattern) =>
    new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]+')}$`).test(subject),
  )
}
