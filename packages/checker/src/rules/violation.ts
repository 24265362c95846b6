import type { Operation } from '../history.ts'

export type Violation = {
  rule: string
  /** -1 if it is not about a user. */
  user: number
  /** In words. */
  what: string
  /** The few operations that show it. */
  operations: Operation[]
}

/** A search was cut off: neither shown nor refuted. */
export type NotDecided = { rule: string; notDecided: string }

export type Options = {
  /** Whether other rules have found faults in the user's commands: no order would explain them. */
  isFaulty: (user: number) => boolean
  /** Dead ends of one search, after which it is cut off. */
  limit: number
}
