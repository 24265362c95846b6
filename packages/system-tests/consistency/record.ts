import type { Kind, Outcome } from '@cqrs/checker'

/** A fault that a nemesis caused; times in milliseconds since the beginning of its history. */
export type Fault = {
  nemesis: string
  /** What was done to which part. */
  what: string
  from: number
  to: number
  /** How it was seen that the fault took effect; empty if it was not seen, which is a failure of the run. */
  effect: string
}

/** The longest time in which no command succeeded, and no query, in milliseconds. */
export type LongestWithout = { command: number; query: number }

/** What a history ran on. */
export type Versions = {
  mongodb: string
  nats: string
  node: string
  /** Cores, memory and operating system. */
  machine: string
}

/** One recorded and judged history, as docs/consistency lists it. */
export type HistoryRecord = {
  seed: number
  /** When it began, in UTC. */
  date: string
  commit: string
  versions: Versions
  topology: 'one machine' | 'hosts of their own'
  seconds: number
  operations: Partial<Record<Kind, Partial<Record<Outcome, number>>>>
  /** Each with the longest time without progress of which it had a part. */
  faults: (Fault & { longestWithoutMs: LongestWithout })[]
  /** Faults that could not be caused here, with the reason, in words. */
  notRun: string[]
  /** In words. The first line says what; further lines are the operations that show it. */
  violations: string[]
  notDecided: number
  longestWithoutMs: LongestWithout
}
