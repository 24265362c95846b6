import { Refusal } from '@cqrs/contracts'

/**
 * The record that a command with an idempotency key is done: written with its change or not at all. It holds no personal
 * data and is valid for 24 hours.
 */
export type Done = { key: string; fingerprint: string; at: Date }

/** The record of an update, with the part of its answer that the request does not contain. */
export type UpdateDone = Done & { version: number; isActive: boolean; updatedAt: Date }

/** @throws Refusal `idempotency-key-reused` if the key was recorded with another body */
export function refuseReuse(before: Done, now: Done): void {
  if (before.fingerprint !== now.fingerprint) throw new Refusal('idempotency-key-reused')
}
