import { randomUUID } from 'node:crypto'
import { answerJob } from '../harness/in-child.ts'
import { atPace } from '../harness/pace.ts'
import { type Sample, sampleOf } from '../harness/statistics.ts'

/** Registers users at a given rate (0: one at a time) and waits until a query shows each of them. */
export type RegistrationsJob = {
  commandUrl: string
  queryUrl: string
  token: string
  perSecond: number
  seconds: number
}

await answerJob<RegistrationsJob>(async ({ commandUrl, queryUrl, token, perSecond, seconds }): Promise<Sample> => {
  const times: number[] = []
  let failed = 0

  async function registerAndSee(): Promise<void> {
    const user = { email: `${randomUUID()}@example.com`, password: 'password123', name: 'Bench', roles: ['buyer'] }
    const registered = await fetch(`${commandUrl}/api/v1/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(user),
    })
    const { id } = (await registered.json()) as { id?: string }
    const acknowledgedAt = performance.now()
    // The query answers once the read model has the version that the command returned.
    const headers = { authorization: `Bearer ${token}`, 'x-min-version': '1' }
    const seen = await fetch(`${queryUrl}/api/v1/users/${id}`, { headers })
    await seen.arrayBuffer()
    if (registered.status !== 201 || !seen.ok) failed++
    else times.push(performance.now() - acknowledgedAt)
  }

  if (perSecond > 0) await atPace({ perSecond, seconds }, registerAndSee)
  else for (const endsAt = performance.now() + seconds * 1_000; performance.now() < endsAt; ) await registerAndSee()
  return sampleOf(times, seconds, failed)
})
