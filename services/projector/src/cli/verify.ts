import { readModelsOf } from '../upkeep/comparable.ts'
import { findDifferences, repair } from '../upkeep/find-differences.ts'
import type { CliContext } from './context.ts'

/** Compares every read model with the write side, and repairs it if asked to. @returns 1 where something differs still */
export async function verify(args: string[], { db, nats, fail }: CliContext): Promise<number> {
  if (args.some((argument) => argument !== '--repair')) return fail()
  let differing = 0
  for (const { name, sides } of readModelsOf(db, nats)) {
    let users = 0
    let found = await findDifferences(sides, (seen) => {
      users = seen
    })
    for (const { id, kind, readVersion, writeVersion } of found) {
      console.log(`${name}  ${kind}  ${id}  read ${readVersion}, write ${writeVersion}`)
    }
    console.log(`${name}: ${users} users compared, ${found.length} differ`)
    if (found.length > 0 && args.includes('--repair')) {
      console.log(`${name}: ${await repair(sides, found)} events published`)
      await sides.settled()
      found = await findDifferences(sides, () => undefined)
      console.log(`${name}: ${found.length} differ after the repair`)
    }
    differing += found.length
  }
  return differing === 0 ? 0 : 1
}
