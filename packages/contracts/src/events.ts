import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Timestamp, TokenState, UserId, UserState } from './user.ts'

/**
 * The events of a user, as CloudEvents 1.0 in JSON. `version` is the user's: it grows by one with each event, and a read
 * model only ever moves to a higher one. `data` holds the whole public state after the change, and beside it which
 * tokens are dead, so any event can be applied without the ones before it.
 */
export const UserCreated = event('UserCreated', Type.Object({ user: UserState, ...TokenState.properties }))
export const UserUpdated = event(
  'UserUpdated',
  Type.Object({ user: UserState, changed: Type.Array(Type.String({ examples: ['name'] })), ...TokenState.properties }),
)
/** Carries no personal data: it outlives the user. All of the user's tokens are dead. */
export const UserDeleted = event('UserDeleted', Type.Object({ deletedAt: Timestamp }))

export type UserCreated = Static<typeof UserCreated>
export type UserUpdated = Static<typeof UserUpdated>
export type UserDeleted = Static<typeof UserDeleted>
export type UserEvent = UserCreated | UserUpdated | UserDeleted
export type UserEventType = UserEvent['type']

/**
 * The shape of `data` that this code writes. An older one is brought to it when it is read; a newer one is set aside: the
 * reader must be upgraded first.
 */
export const SCHEMA_VERSION = 2

/** By schema version: how `data` of that version becomes `data` of the next. */
const upcasters: Record<number, (data: object) => object> = {
  // Version 1 knew of no revocation. A deletion has had the same shape from the first.
  1: (data) => ('user' in data ? { ...data, tokensFromVersion: 1 } : data),
}

/** Who made an event, and when; `id` must be unique, since JetStream drops a second message of the same id. */
export type Origin = { id: string; source: string; time: string; traceparent?: string | undefined }

/** The CloudEvents attributes of an event about this version of a user: everything but `type` and `data`. */
export const envelopeOf = (user: { id: string; version: number }, { traceparent, ...origin }: Origin) => ({
  specversion: '1.0' as const,
  ...origin,
  subject: user.id,
  datacontenttype: 'application/json' as const,
  schemaversion: SCHEMA_VERSION,
  version: user.version,
  ...(traceparent && { traceparent }),
})

/** The stream of all user events: transport, refillable from `users`, not the truth. */
export const usersStream = {
  name: 'USERS',
  subjects: ['users.*.created', 'users.*.updated', 'users.*.deleted'],
  /** How long JetStream remembers a `Nats-Msg-Id`: longer than a relay takes to publish again after a crash. */
  duplicateWindowMs: 120_000,
} as const

/** Messages that can never be applied, with the reason. */
export const deadLetterStream = { name: 'USERS_DLQ', subjects: ['users_dlq.>'] } as const

/** The subject that an event is published on: `users.<userId>.created|updated|deleted`. */
export const subjectOf = (event: UserEvent): string => `users.${event.subject}.${subjectVerbs[event.type]}`

const subjectVerbs = { UserCreated: 'created', UserUpdated: 'updated', UserDeleted: 'deleted' } as const

/** Why a message can never be applied, however often it is tried. */
export type UnreadableReason = 'not-json' | 'unknown-type' | 'unknown-schema-version' | 'invalid'

export class UnreadableEvent extends Error {
  readonly reason: UnreadableReason
  constructor(reason: UnreadableReason, detail: string) {
    super(`${reason}: ${detail}`)
    this.reason = reason
  }
}

/**
 * Reads an event from a message's bytes.
 * @throws UnreadableEvent when no retry can help. Its message names fields, never values: it ends in logs.
 */
export function parseUserEvent(bytes: Uint8Array): UserEvent {
  const value = parseJson(bytes)
  const { type, schemaversion } = Object(value) as { type?: unknown; schemaversion?: unknown }
  if (typeof type !== 'string' || !Object.hasOwn(validators, type))
    throw new UnreadableEvent('unknown-type', 'this reader knows UserCreated, UserUpdated and UserDeleted')
  if (typeof schemaversion !== 'number' || !(schemaversion === SCHEMA_VERSION || schemaversion in upcasters))
    throw new UnreadableEvent('unknown-schema-version', `this reader knows 1 to ${SCHEMA_VERSION}`)
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
  const { schemaversion, data } = event
  const toNext = upcasters[schemaversion]
  if (!toNext) return event
  return upcast({ ...event, schemaversion: schemaversion + 1, data: toNext(Object(data)) })
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
      description: 'UUID version 7; also the Nats-Msg-Id',
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
    data,
  })
}
