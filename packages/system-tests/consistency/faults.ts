import { setTimeout as delay } from 'node:timers/promises'
import { type Random, randomFrom } from '../faults/random.ts'
import type { World } from '../faults/world.ts'
import { type Nemesis, nemeses } from './nemeses.ts'
import type { Fault } from './record.ts'
import type { Recorder } from './recorder.ts'

/** The nemeses of a seed: consecutive seeds have every one; half of them have another one at the same time. */
export function nemesesOf(seed: number, possible: readonly Nemesis[]): Nemesis[] {
  const random = randomFrom(seed)
  const first = possible[seed % possible.length] as Nemesis
  const others = possible.filter((other) => other !== first && !(first.broker && other.broker))
  return random.chance(0.5) && others.length > 0 ? [first, random.oneOf(others)] : [first]
}

/** Those that a system can have. */
export const possibleNemeses = (world: World): Nemesis[] =>
  nemeses.filter(({ needs }) => !needs || (needs === 'hosts') === (world.hosts !== undefined))

/**
 * Lets nemeses strike again and again, at the same time, with pauses in which the system can recover.
 * @returns what they did; a strike without effect has its reason as `what`
 */
export async function strike(
  world: World,
  recorder: Recorder,
  { striking, random, forMs }: { striking: readonly Nemesis[]; random: Random; forMs: number },
): Promise<Fault[]> {
  const faults: Fault[] = []
  if (striking.length === 0) return faults
  const until = recorder.now + forMs
  await delay(2_000)
  while (recorder.now < until) {
    const strikes = striking.map(async ({ name, strike }) => {
      const from = recorder.now
      // MongoDB elects another primary after 10 s, NATS another leader after 4 to 9 s: half of the faults last longer.
      const lastsMs = random.chance(0.5) ? random.between(1_000, 7_000) : random.between(11_000, 16_000)
      const done = await strike(world, random, lastsMs).catch((error) => ({ what: error.message, effect: '' }))
      faults.push({ nemesis: name, ...done, from: Math.round(from), to: Math.round(recorder.now) })
    })
    await Promise.all(strikes)
    await delay(random.between(500, 4_000))
  }
  return faults
}
