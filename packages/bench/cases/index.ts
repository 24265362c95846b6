import type { Bench } from '../harness/bench.ts'
import type { Result } from '../harness/result.ts'
import { besideWrites } from './beside-writes.ts'
import { byIdHot } from './by-id-hot.ts'
import { byIdUniform } from './by-id-uniform.ts'
import { byRole } from './by-role.ts'
import { catchUp } from './catch-up.ts'
import { list } from './list.ts'
import { memory } from './memory.ts'
import { passwords } from './passwords.ts'
import { peers } from './peers.ts'
import { rebuild } from './rebuild.ts'
import { visible } from './visible.ts'

/** One thing that is measured, on the running system. */
export type Case = {
  /** For `--only`. */
  name: string
  run: (bench: Bench) => Promise<Result[]>
}

/** Every case, in the order in which they run: what fills the databases comes last. */
export const cases: readonly Case[] = [
  byIdHot,
  byIdUniform,
  list,
  byRole,
  peers,
  passwords,
  visible,
  besideWrites,
  memory,
  catchUp,
  rebuild,
]
