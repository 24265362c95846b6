import { Refusal } from '@cqrs/contracts'

/** The refusal of a query parameter that the schema alone cannot tell is wrong. */
export const refuseParameter = (name: string, detail: string): Refusal =>
  new Refusal('validation-failed', { errors: [{ pointer: `#/querystring/${name}`, detail }] })
