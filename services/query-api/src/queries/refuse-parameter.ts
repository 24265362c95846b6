import { Refusal } from '@cqrs/contracts'

/** Refuses a query parameter for a reason that its schema cannot express. */
export const refuseParameter = (name: string, detail: string): Refusal =>
  new Refusal('validation-failed', { errors: [{ pointer: `#/querystring/${name}`, detail }] })
