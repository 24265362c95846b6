import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Timestamp, TokenState, UserId, UserState } from './user.ts'

/**
 * The events of a user, as CloudEvents 1.0 in JSON. `version` is the user's: each event increments it, and a read model
 * only moves to a higher one. `data` holds the whole public state after the change and which tokens are revoked, so an
 * event can be applied without the ones before it.
 */
export const UserCreated = event('UserCreated', Type.Object({ user: UserState, ...TokenState.properties }))
export const UserUpdated = event(
  'UserUpdated',
  Type.Object({ user: UserState, changed: Type.Array(Type.String({ examples: ['name'] })), ...TokenState.properties }),
)
/** Carries no personal data, because it outlives the user. It revokes all of the user's tokens. */
export const UserDeleted = event('UserDeleted', Type.Object({ deletedAt: Timestamp }))

export type UserCreated = Static<typeof UserCreated>
export type UserUpdated = Static<typeof UserUpdated>
export type UserDeleted = Static<typeof UserDeleted>
export type UserEvent = UserCreated | UserUpdated | UserDeleted
export type UserEventType = UserEvent['type']

/**
 * The newest shape of `data`. An event of an older shape is upcast when it is read; one of a newer shape waits for a
 * newer reader.
 */
export const SCHEMA_VERSION = 2

/** By schema version: turns `data` of that version into `data` of the next. */
const upcasters: Record<number, (data: object) => object> = {
  // Version 1 had no revocation. UserDeleted has the same shape in both.
  1: (data) => ('user' in data ? { ...data, tokensFromVersion: 1 } : data),
}

/**
 * By schema version that can be written (EVENT_SCHEMA_VERSION): an event of the newest version in that form. It says
 * all that the event says, because readers ignore what they do not know.
 */
export const eventWriters = { 2: (event: UserEvent): UserEvent => event }

/** Who made an event, and when; `id` must be unique, since JetStream drops a second message of the same id. */
export type Origin = {
  id: string
  source: string
  time: string
  traceparent?: string | undefined
  requestid?: string | undefined
}

/** The CloudEvents attributes of an event about this version of a user: everything but `type` and `data`. */
export const envelopeOf = (user: { id: string; version: number }, { traceparent, requestid, ...origin }: Origin) => ({
  specversion: '1.0' as const,
  ...origin,
  subject: user.id,
  datacontenttype: 'application/json' as const,
  schemaversion: SCHEMA_VERSION,
  version: user.version,
  ...(traceparent && { traceparent }),
  ...(requestid && { requestid }),
})

/** What every log line about an event says of it. An event that no request has caused names none. */
export const aboutEvent = ({ id, type, subject, version, traceparent, requestid }: UserEvent) => ({
  user_id: subject,
  event_id: id,
  type,
  version,
  ...(requestid && { request_id: requestid }),
  ...(traceparent && { trace_id: traceparent.slice(3, 35) }),
})

const dayMs = 24 * 3_600_000

/** The subjects of every event. */
export const userEventSubjects = ['users.*.created', 'users.*.updated', 'users.*.deleted'] as const

/**
 * The stream of all user events. It is transport: the truth is `users`, from which it can be refilled. An event leaves
 * when every consumer has handled it. While it is full, it refuses new events, and they wait in the outbox.
 */
export const usersStream = {
  name: 'USERS',
  subjects: [...userEventSubjects, 'users_replay.>'],
  /** JetStream drops a repeated `Nats-Msg-Id` for this long: longer than a relay needs to republish after a crash. */
  duplicateWindowMs: 120_000,
  /** Of an event that some consumer does not handle. */
  maxAgeMs: 7 * dayMs,
  whenFull: 'refuse',
} as const

/**
 * The dead letters: messages that can never be applied, each with its reason, on `users_dlq.<consumer>.<user id>`: one
 * of each user and consumer, the newest. The oldest give way to new ones.
 */
export const deadLetterStream = {
  name: 'USERS_DLQ',
  subjects: ['users_dlq.>'],
  maxPerSubject: 1,
  maxAgeMs: 30 * dayMs,
  maxBytes: 64 * 2 ** 20,
  whenFull: 'drop-oldest',
} as const

/** The subject of an event: `users.<userId>.created|updated|deleted`. */
export const subjectOf = (event: UserEvent): string => `users.${event.subject}.${subjectVerbs[event.type]}`

/** The subject on which one consumer alone receives a message again: `users_replay.<consumer>.<original subject>`. */
export const replaySubject = (consumer: string, subject: string): string => `users_replay.${consumer}.${subject}`

/** The header of a replayed message: the sequence of the dead letter that leaves when the message is handled. */
export const letterHeader = 'dead-letter'

/** The subject of an event that may have been replayed. */
export const originalSubject = (subject: string): string => subject.replace(/^users_replay\.[^.]+\./, '')

const subjectVerbs = { UserCreated: 'created', UserUpdated: 'updated', UserDeleted: 'deleted' } as const

/** Why a message can never be applied, however often it is retried. */
export type UnreadableReason =
  | 'not-json'
  | 'unknown-type'
  | 'unknown-schema-version'
  | 'invalid'
  /** Not by this process, but by a newer one. */
  | 'newer-schema-version'

export class UnreadableEvent extends Error {
  readonly reason: UnreadableReason
  constructor(reason: UnreadableReason, detail: string) {
    super(`${reason}: ${detail}`)
    this.reason = reason
  }
}

/**
 * Parses and upcasts an event.
 * @throws UnreadableEvent when no retry can help. Its message goes to logs, so it names fields and never values.
 */
export function parseUserEvent(bytes: Uint8Array): UserEvent {
  const value = parseJson(bytes)
  const { type, schemaversion } = Object(value) as { type?: unknown; schemaversion?: unknown }
  if (Number.isInteger(schemaversion) && Number(schemaversion) > SCHEMA_VERSION)
    throw new UnreadableEvent('newer-schema-version', `supported versions are 1 to ${SCHEMA_VERSION}`)
  if (typeof type !== 'string' || !Object.hasOwn(validators, type))
    throw new UnreadableEvent('unknown-type', 'expected UserCreated, UserUpdated or UserDeleted')
  if (typeof schemaversion !== 'number' || !(schemaversion === SCHEMA_VERSION || schemaversion in upcasters))
    throw new UnreadableEvent('unknown-schema-version', `supported versions are 1 to ${SCHEMA_VERSION}`)
  const event = upcast(value as Upcastable)
  const validator = validators[type as UserEventType]
  if (!validator.Check(event)) {
    const problems = validator.Errors(event).map((error) => `${error.instancePath || '/'} ${error.message}`)
    throw new UnreadableEvent('invalid', problems.join(', '))
  }
  return event as UserEvent
}

type Upcastable = { schemaversion: number; data: unknown }

function upcast(event: Upcastable): Upcastable {
  const toNext = upcasters[event.schemaversion]
  return toNext ? upcast({ ...event, schemaversion: event.schemaversion + 1, data: toNext(Object(event.data)) }) : event
}

const validators = {
  UserCreated: Compile(UserCreated),
  UserUpdated: Compile(UserUpdated),
  UserDeleted: Compile(UserDeleted),
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    throw new UnreadableEvent('not-json', `${bytes.length} bytes`)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function event<Name extends string, Data extends TSchema>(type: Name, data: Data) {
  return Type.Object({
    specversion: Type.Literal('1.0'),
    id: Type.String({
      minLength: 1,
      description: 'UUID version 7, also used as Nats-Msg-Id',
      examples: ['019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c38'],
    }),
    source: Type.String({ minLength: 1, examples: ['/command-api'] }),
    type: Type.Literal(type),
    subject: UserId,
    time: Timestamp,
    datacontenttype: Type.Literal('application/json'),
    schemaversion: Type.Integer({ minimum: 1 }),
    version: Type.Integer({ minimum: 1 }),
    traceparent: Type.Optional(
      Type.String({
        description: 'W3C Trace Context of the command',
        examples: ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
      }),
    ),
    requestid: Type.Optional(
      Type.String({
        description: 'The id of the request that caused it, as in `X-Request-Id`',
        examples: ['4bf92f3577b34da6a3ce929d0e0e4736'],
      }),
    ),
    data,
  })
}
