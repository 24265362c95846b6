import { killing, type Nemesis, nemeses } from '../nemeses.ts'
import type { Need } from './bugs.ts'

const named = (name: string): Nemesis => {
  const found = nemeses.find((nemesis) => nemesis.name === name)
  if (!found) throw new Error(`no nemesis is ${name}`)
  return found
}

/** The nemeses that cause a fault, and only this one. */
export const nemesesFor: Record<Need, Nemesis[]> = {
  none: [],
  'kill command-api': [killing('kill -9 of a command-api', 'command-api')],
  'kill projector': [killing('kill -9 of a projector', 'projector')],
  'kill query-api': [killing('kill -9 of a query-api', 'query-api')],
  'nats unavailable': [killing('kill -9 of NATS', 'nats')],
  'cut primary': [named('cut: a primary from its followers')],
  'secondary behind': [named('a secondary far behind')],
  rebuild: [named('a rebuild')],
  'foreign write side': [named('a foreign write database answers')],
}

/** After how long a revoked token is refused and a deleted user is gone, if only this fault lasts, in microseconds. */
export const boundsUnder = (need: Need): { revokedQuery: number; deleted: number } | undefined =>
  need === 'none' || need === 'kill query-api' ? { revokedQuery: 15_000_000, deleted: 15_000_000 } : undefined
