import type { Upstream } from './routing.ts'

/** Where each service listens, as `http://host:port`. */
export type ServiceUrls = Record<Upstream | 'projector', string>

/** Whether every service is `ready`, and the response of each. */
export async function allReady(services: ServiceUrls): Promise<{ ready: boolean; answers: Record<string, unknown> }> {
  const answers = await Promise.all(
    Object.entries(services).map(async ([name, url]) => [name, await ask(`${url}/readyz`)] as const),
  )
  return {
    ready: answers.every(([, answer]) => answer.status === 'ready'),
    answers: Object.fromEntries(answers),
  }
}

async function ask(url: string): Promise<{ status: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    return (await response.json()) as { status: string }
  } catch {
    return { status: 'unavailable' }
  }
}
