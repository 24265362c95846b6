import { UserId } from '@cqrs/contracts'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { refuseParameter } from './refuse-parameter.ts'

/** The end of a page: its order, the key in that order, and the id of its last user. */
const Cursor = Type.Union([
  Type.Tuple([Type.Literal('newest'), UserId]),
  // The latest time that a date can be, in ms (ECMA-262, 21.4.1.1).
  Type.Tuple([Type.Literal('changed'), Type.Integer({ minimum: 0, maximum: 8.64e15 }), UserId]),
  Type.Tuple([Type.Enum(['name', 'email']), Type.String({ maxLength: 400 }), Type.Union([UserId, Type.Literal('')])]),
])
export type Cursor = Static<typeof Cursor>
type Order = Cursor[0]

const form = Compile(Cursor)
const isCursor = (value: unknown): value is Cursor => form.Check(value)

/** The opaque text for `pagination.nextCursor`. It reveals nothing beyond its page and grants no access. */
export const cursorText = (cursor: Cursor): string => Buffer.from(JSON.stringify(cursor)).toString('base64url')

/**
 * Parses a cursor that a client sent back.
 * @throws Refusal `validation-failed` if it is not a cursor of one of these orders
 */
export function readCursor<In extends Order>(text: string, orders: readonly In[]): Extract<Cursor, [In, ...unknown[]]> {
  const cursor = parse(Buffer.from(text, 'base64url').toString())
  if (!isCursor(cursor) || !(orders as readonly Order[]).includes(cursor[0])) {
    throw refuseParameter('cursor', 'must be a nextCursor of this list')
  }
  return cursor as Extract<Cursor, [In, ...unknown[]]>
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
