import { answerJob } from '../harness/in-child.ts'
import { atPace } from '../harness/pace.ts'
import { type Sample, sampleOf } from '../harness/statistics.ts'

/** A fixed number of requests a second, each to one of the paths. */
export type PacedReadsJob = { baseUrl: string; token: string; paths: string[]; perSecond: number; seconds: number }

await answerJob<PacedReadsJob>(async ({ baseUrl, token, paths, perSecond, seconds }): Promise<Sample> => {
  const headers = { authorization: `Bearer ${token}` }
  const times: number[] = []
  let failed = 0
  await atPace({ perSecond, seconds }, async (dueAt) => {
    const path = paths[Math.floor(Math.random() * paths.length)] as string
    const response = await fetch(baseUrl + path, { headers })
    await response.arrayBuffer()
    times.push(performance.now() - dueAt)
    if (!response.ok) failed++
  })
  return sampleOf(times, seconds, failed)
})
