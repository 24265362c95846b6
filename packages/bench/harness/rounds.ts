import type { Sample } from './statistics.ts'

/** Something that is measured: runs for a while and returns a sample. */
export type Contender = () => Promise<Sample>

/**
 * Measures contenders in turns (A B, then B A, …), so that other load on the machine affects them alike.
 * @param warmUp whether an uncounted round comes first
 * @returns the samples of each contender, by round
 * @throws Error if an operation failed: a figure with failures is meaningless
 */
export async function inTurns<Name extends string>(
  contenders: Record<Name, Contender>,
  { rounds, warmUp, say }: { rounds: number; warmUp: boolean; say: (line: string) => void },
): Promise<Record<Name, Sample[]>> {
  const names = Object.keys(contenders) as Name[]
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Sample[]>
  for (let round = warmUp ? 0 : 1; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      const sample = await contenders[name]()
      if (sample.failed > 0) throw new Error(`${name}: ${sample.failed} failed`)
      if (round > 0) samples[name].push(sample)
      say(`${round === 0 ? 'warm-up' : `round ${round}/${rounds}`} ${name}: ${describe(sample)}`)
    }
  }
  return samples
}

const describe = ({ perSecond, p50, p99 }: Sample): string =>
  `${Math.round(perSecond)}/s, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`
