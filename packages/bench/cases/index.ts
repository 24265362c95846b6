import { besideWrites } from './beside-writes.ts'
import { byIdHot } from './by-id-hot.ts'
import { byIdUniform } from './by-id-uniform.ts'
import { byRole } from './by-role.ts'
import type { Case } from './case.ts'
import { catchUp } from './catch-up.ts'
import { list } from './list.ts'
import { memory } from './memory.ts'
import { passwords } from './passwords.ts'
import { peers } from './peers.ts'
import { rebuild } from './rebuild.ts'
import { visible } from './visible.ts'

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
