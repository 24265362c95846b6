import { Refusal } from '@cqrs/contracts'
import pLimit, { type LimitFunction } from 'p-limit'

/**
 * Bounds how much work of each client is in progress at a time, so that one client leaves room for the others. What has
 * to wait, waits in a queue of the client's own.
 * @returns a function that runs the work of a client, never synchronously, and throws the Refusal if too much waits;
 * its `isTaken` tells whether work of the client is in progress
 */
export function shares({ running, waiting, refusal = 'rate-limited', onRefused }: Bounds) {
  const clients = new Map<string, LimitFunction>()
  const run = async <Result>(client: string, work: () => Promise<Result>): Promise<Result> => {
    const limit = clients.get(client) ?? pLimit(running)
    if (limit.pendingCount >= waiting) {
      onRefused?.()
      throw new Refusal(refusal, { retryAfterSeconds: 1 })
    }
    clients.set(client, limit)
    try {
      return await limit(work)
    } finally {
      if (limit.activeCount + limit.pendingCount === 0) clients.delete(client)
    }
  }
  return Object.assign(run, { isTaken: (client: string) => clients.has(client) })
}

type Bounds = { running: number; waiting: number; refusal?: 'rate-limited' | 'overloaded'; onRefused?: () => void }
