import type { Kind, Outcome } from '@cqrs/checker'

/** A fault that a nemesis caused; times in milliseconds since the beginning of its history. */
export type Fault = {
  nemesis: string
  /** What was done to which part. */
  what: string
  from: number
  to: number
  /** How it was seen that the fault took effect. */
  effect: string
}

/** One recorded and judged history, as docs/consistency lists it. */
export type HistoryRecord = {
  seed: number
  /** When it began, in UTC. */
  date: string
  commit: string
  topology: 'one machine' | 'hosts of their own'
  seconds: number
  operations: Partial<Record<Kind, Partial<Record<Outcome, number>>>>
  faults: Fault[]
  /** In words. */
  violations: string[]
  notDecided: number
  /** The longest time in which no command succeeded, and no query, in milliseconds. */
  longestWithoutMs: { command: number; query: number }
}
