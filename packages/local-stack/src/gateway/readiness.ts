import type { Upstream } from './routing.ts'

/** Where each service listens, as `http://host:port`. */
export type ServiceUrls = Record<Upstream | 'projector', string>

/** Whether every service says that nothing it uses is missing, and what each of them said. */
export async function allReady(services: ServiceUrls): Promise<{ ready: boolean; said: Record<string, unknown> }> {
  const answers = await Promise.all(
    Object.entries(services).map(async ([name, url]) => [name, await ask(`${url}/readyz`)] as const),
  )
  return {
    ready: answers.every(([, answer]) => answer.status === 'ready'),
    said: Object.fromEntries(answers),
  }
}

async function ask(url: string): Promise<{ status: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    return (await response.json()) as { status: string }
  } catch {
    return { status: 'away' }
  }
}
