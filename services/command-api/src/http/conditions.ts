import { Refusal } from '@cqrs/contracts'
import { EntityTags, ifMatchHolds, ifNoneMatchHolds } from '@cqrs/service-kit'
import Type, { type Static } from 'typebox'
import { etagOf } from './answers.ts'

/** The request headers of a command that applies only to a version that the client knows. */
export const ConditionHeaders = Type.Object({
  'if-match': Type.Optional(EntityTags),
  'if-none-match': Type.Optional(EntityTags),
})

/**
 * Call it for each copy that is loaded: then a concurrent change leads to a refusal and not to a retry.
 * @throws Refusal `precondition-failed`
 */
export function refuseUnlessMatching(
  { 'if-match': ifMatch, 'if-none-match': ifNoneMatch }: Static<typeof ConditionHeaders>,
  current: { version: number },
): void {
  const etag = etagOf(current)
  if (ifMatch !== undefined && !ifMatchHolds(ifMatch, etag)) throw new Refusal('precondition-failed')
  if (ifNoneMatch !== undefined && !ifNoneMatchHolds(ifNoneMatch, etag)) throw new Refusal('precondition-failed')
}
