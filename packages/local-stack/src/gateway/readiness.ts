import type { Upstream } from './routing.ts'

/** Where each service listens, as `http://host:port`. */
export type ServiceUrls = Record<Upstream | 'projector', string>

/** Whether every service is `ready`, and the response of each. */
export async function allReady(services: ServiceUrls): Promise<{ ready: boolean; answers: Record<string, unknown> }> {
  const answers = await Promise.all(
    Object.entries(services).map(async ([name, url]) => [name, await readReadiness(url)] as const),
  )
  return {
    ready: answers.every(([, answer]) => answer.status === 'ready'),
    answers: Object.fromEntries(answers),
  }
}

type Readiness = { status: string; checks?: Record<string, string>; reasons?: string[] }

/** What the /readyz of a process says; `unavailable` if it does not answer. */
export async function readReadiness(url: string): Promise<Readiness> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })
    return (await response.json()) as Readiness
  } catch {
    return { status: 'unavailable' }
  }
}
