import { Refusal } from '@cqrs/contracts'
import { EntityTags, ifMatchHolds } from '@cqrs/service-kit'
import Type from 'typebox'
import { etagOf } from './answers.ts'

/** The request header of a command that applies only to a version that the client knows. */
export const ConditionHeaders = Type.Object({ 'if-match': Type.Optional(EntityTags) })

/**
 * Call it for each copy that is loaded: then a concurrent change leads to a refusal and not to a retry.
 * @throws Refusal `precondition-failed`
 */
export function refuseUnlessMatching(ifMatch: string | undefined, current: { version: number }): void {
  if (ifMatch !== undefined && !ifMatchHolds(ifMatch, etagOf(current))) throw new Refusal('precondition-failed')
}
