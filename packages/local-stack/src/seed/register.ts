import { setTimeout as delay } from 'node:timers/promises'
import type { Person } from './people.ts'

/** About one hash a core is computed at a time; more requests than that would only wait. */
const atATime = 4

/**
 * Registers people through the API, some at a time, and waits where it asks to. People who exist are left as they are.
 * @param onProgress gets how many are done, and whether the API has just asked to wait
 * @returns how many are new, and how many existed
 * @throws Error with what the API answered, if it is anything else
 */
export async function registerAll(
  people: readonly Person[],
  { api, password, onProgress }: { api: string; password: string; onProgress: (done: number, waits?: string) => void },
): Promise<{ created: number; existed: number }> {
  const counts = { created: 0, existed: 0 }
  const waiting = people.values()
  const work = async () => {
    for (const person of waiting) {
      const isNew = await register(person)
      counts[isNew ? 'created' : 'existed']++
      onProgress(counts.created + counts.existed)
    }
  }
  const register = async (person: Person): Promise<boolean> => {
    const answer = await fetch(`${api}/api/v1/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...person, password }),
    })
    const text = await answer.text()
    if (answer.status === 201) return true
    if (answer.status === 409) return false
    const seconds = Number(answer.headers.get('retry-after'))
    if (!seconds) throw new Error(`${person.email} was answered ${answer.status}: ${text}`)
    onProgress(counts.created + counts.existed, `answered ${answer.status}, waiting ${seconds} s as asked to`)
    await delay(seconds * 1_000)
    return register(person)
  }
  await Promise.all(Array.from({ length: atATime }, work))
  return counts
}
