import argon2 from 'argon2'
import { answerJob } from '../harness/in-child.ts'
import { type Sample, sampleOf } from '../harness/statistics.ts'

/** Hashes or verifies on all cores with command-api's parameters, and does nothing else. */
export type Argon2Job = { what: 'hash' | 'verify'; inFlight: number; seconds: number }

const options = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

await answerJob<Argon2Job>(async ({ what, inFlight, seconds }): Promise<Sample> => {
  const digest = await argon2.hash('password123', options)
  const one = () => (what === 'hash' ? argon2.hash('password123', options) : argon2.verify(digest, 'password123'))
  const times: number[] = []
  const endsAt = performance.now() + seconds * 1_000
  const loop = async () => {
    for (let at = performance.now(); at < endsAt; ) {
      await one()
      times.push(performance.now() - at)
      at = performance.now()
    }
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
  return sampleOf(times, seconds)
})
