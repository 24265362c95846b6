import autocannon from 'autocannon'
import { answerJob } from '../harness/in-child.ts'
import type { Sample } from '../harness/statistics.ts'
import { sampleOf } from '../harness/statistics.ts'

/** Closed-loop load: each connection sends its next request as soon as it has an answer. */
export type LoadJob = {
  baseUrl: string
  token?: string
  connections: number
  seconds: number
  /** Each connection cycles through these, from a start of its own. */
  requests: { method?: 'GET' | 'POST' | 'PUT'; path: string; body?: object }[]
}

/** Time for connecting and for the first answer to each connection. */
const startMs = 200

await answerJob<LoadJob>(
  ({ baseUrl, token, connections, seconds, requests }) =>
    new Promise<Sample>((resolve, reject) => {
      let client = 0
      const share = Math.ceil(requests.length / connections)
      const setupClient = (one: autocannon.Client) => one.setRequests(ofClient(client++))
      const ofClient = (n: number) =>
        Array.from({ length: share }, (_, i) => {
          const { method = 'GET', path, body } = requests[(n * share + i) % requests.length] as LoadJob['requests'][0]
          const authorization = token && { authorization: `Bearer ${token}` }
          const content = body && { 'content-type': 'application/json' }
          return {
            method,
            path,
            ...(body && { body: JSON.stringify(body) }),
            headers: { ...authorization, ...content },
          }
        })

      const times: number[] = []
      let failed = 0
      let beganAt = 0
      const load = autocannon(
        { url: baseUrl, connections, duration: seconds + 1, setupClient: setupClient as never },
        (error) => (error ? reject(error) : resolve(sampleOf(times, seconds, failed))),
      )
      // autocannon's own figures are whole milliseconds and include connecting; these are finer and exclude the start.
      load.on('response', (_client, status, _bytes, ms) => {
        const now = performance.now()
        beganAt ||= now
        if (now - beganAt < startMs) return
        if (now - beganAt < startMs + seconds * 1_000) times.push(ms)
        else resolve(sampleOf(times, seconds, failed))
        if (status >= 300) failed++
      })
      load.on('reqError', () => failed++)
    }),
)
