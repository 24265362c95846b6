import type { Bench } from '../harness/bench.ts'
import type { Result } from '../harness/result.ts'

/** One measurement on the running system. */
export type Case = {
  /** For `--only`. */
  name: string
  run: (bench: Bench) => Promise<Result[]>
}
