import { Refusal } from '@cqrs/contracts'

type Bounds = {
  /** Maximum number of keys in one batch. */
  maxSize: number
  /** Maximum number of batches in progress. Later keys wait, so the next batch is larger. */
  maxRunning: number
  /** Maximum number of keys that wait for a batch. */
  maxWaiting: number
}

/**
 * Combines into one call the keys that arrive in the same turn of the event loop, and those that arrive while the
 * maximum number of calls is in progress. This bounds the load on the callee, and under load each key costs less.
 * @param run returns the values in the order of the keys; a Refusal rejects the promise of its key alone
 * @returns a function for one key; it rejects with Refusal `overloaded` if too many keys wait
 */
export function inBatches<Key, Value>(
  run: (keys: Key[]) => Promise<(Value | Refusal)[]>,
  { maxSize, maxRunning, maxWaiting }: Bounds,
): (key: Key) => Promise<Value> {
  const waiting: Waiting<Key, Value>[] = []
  let running = 0
  let isDue = false

  const start = async () => {
    const batch = waiting.splice(0, maxSize)
    running++
    try {
      const values = await run(batch.map(({ key }) => key))
      for (const [index, { resolve, reject }] of batch.entries()) {
        const value = values[index]
        if (value instanceof Refusal) reject(value)
        else resolve(value as Value)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      running--
      startDue()
    }
  }
  const startDue = () => {
    isDue = false
    while (waiting.length > 0 && running < maxRunning) void start()
  }

  return (key) => {
    if (waiting.length >= maxWaiting) return Promise.reject(new Refusal('overloaded'))
    if (!isDue && running < maxRunning) {
      isDue = true
      // After the I/O of this turn, which is where requests arrive.
      setImmediate(startDue)
    }
    return new Promise((resolve, reject) => waiting.push({ key, resolve, reject }))
  }
}

/**
 * Lets callers that wait with the same key share one call. It begins after the last of them has arrived, so nobody gets
 * a result from before their request.
 * @returns a function of the key, the call, and the queue in which the call waits; a queue begins nothing at once
 */
export function inTurn<Value>(): (key: string, call: () => Promise<Value>, queue: Queue<Value>) => Promise<Value> {
  const waiting = new Map<string, Promise<Value>>()
  return (key, call, queue) => {
    const same = waiting.get(key)
    if (same) return same
    const value = queue(() => {
      waiting.delete(key)
      return call()
    })
    waiting.set(key, value)
    // A refused call never begins.
    value.catch(() => waiting.get(key) === value && waiting.delete(key))
    return value
  }
}

/**
 * Bounds what one caller has in progress at a time, so that one leaves room for the others.
 * @returns a function that counts one more for a caller, and returns another that ends it, to be called once; it throws
 * the Refusal `rate-limited` if the caller has `max` in progress already
 */
export function fairShare(max: number): (caller: string) => () => void {
  const counts = new Map<string, number>()
  return (caller) => {
    const own = counts.get(caller) ?? 0
    if (own >= max) throw new Refusal('rate-limited')
    counts.set(caller, own + 1)
    return () => {
      const left = (counts.get(caller) ?? 1) - 1
      if (left > 0) counts.set(caller, left)
      else counts.delete(caller)
    }
  }
}

type Queue<Value> = (call: () => Promise<Value>) => Promise<Value>

type Waiting<Key, Value> = { key: Key; resolve: (value: Value) => void; reject: (error: unknown) => void }
