import { Refusal } from '@cqrs/contracts'

type Bounds = {
  /** Keys in one batch. */
  maxSize: number
  /** Batches at a time: what comes meanwhile waits, and makes the next batch the larger. */
  maxRunning: number
  /** Keys that wait for a batch. */
  maxWaiting: number
}

/**
 * Makes one call out of those that come in the same turn of the event loop, and out of those that come while enough
 * calls are under way. So the load on what is called is bounded, and it grows cheaper for each key.
 * @param run answers the keys in their order
 * @returns the call for one key. It throws a Refusal `overloaded` where too many wait already
 */
export function inBatches<Key, Value>(
  run: (keys: Key[]) => Promise<Value[]>,
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
      for (const [index, { resolve }] of batch.entries()) resolve(values[index] as Value)
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
      // After the input of this turn, which is where requests come from.
      setImmediate(startDue)
    }
    return new Promise((resolve, reject) => waiting.push({ key, resolve, reject }))
  }
}

/**
 * The same for calls that cannot be put together: so many at a time, so many that wait, and the others are refused. Those
 * that have one key and wait at the same time become one call. It begins after all of them came, so none is answered
 * from before.
 */
export function inTurn<Value>(
  bounds: Omit<Bounds, 'maxSize'>,
): (key: string, call: () => Promise<Value>) => Promise<Value> {
  const waiting = new Map<string, Promise<Value>>()
  const run = inBatches<() => Promise<Value>, Value>((calls) => Promise.all(calls.map((call) => call())), {
    ...bounds,
    maxSize: 1,
  })
  return (key, call) => {
    const same = waiting.get(key)
    if (same) return same
    const value = run(() => {
      waiting.delete(key)
      return call()
    })
    waiting.set(key, value)
    // One that was refused never begins.
    value.catch(() => waiting.get(key) === value && waiting.delete(key))
    return value
  }
}

type Waiting<Key, Value> = { key: Key; resolve: (value: Value) => void; reject: (error: unknown) => void }
