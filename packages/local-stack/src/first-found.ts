import type { Log } from './log.ts'

/** A place from which something may come. `find` fails with the reason why it is not there. */
export type Source<T> = {
  name: string
  find: (log: Log) => Promise<T>
}

/** What the first of the sources has. @throws with the reason why each has nothing */
export async function firstFound<T>(sources: readonly Source<T>[], log: Log): Promise<T> {
  const reasons: string[] = []
  for (const { name, find } of sources) {
    try {
      return await find(log)
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message : error}`)
    }
  }
  throw new Error(reasons.join('; '))
}
