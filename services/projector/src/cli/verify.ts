import { projections } from '../projections/index.ts'
import { ReadModel } from '../read-store/read-model.ts'
import { comparisonOf } from '../upkeep/comparison.ts'
import { findDifferences, repairDifferences } from '../upkeep/differences.ts'
import type { CliContext } from './context.ts'

/**
 * Compares every read model with the write side and, with `--repair`, repairs it.
 * @returns 1 while something differs
 */
export async function verify(args: string[], { db, nats, fail }: CliContext): Promise<number> {
  if (args.some((argument) => argument !== '--repair')) return fail()
  let differing = 0
  for (const projection of projections) {
    const { name } = projection
    const comparison = comparisonOf(new ReadModel(db, projection), nats)
    let users = 0
    let differences = await findDifferences(comparison, (seen) => {
      users = seen
    })
    for (const { id, kind, readVersion, writeVersion } of differences)
      console.log(`${name}  ${kind}  ${id}  read ${readVersion}, write ${writeVersion}`)
    console.log(`${name}: ${users} users compared, ${differences.length} differ`)
    if (differences.length > 0 && args.includes('--repair')) {
      console.log(`${name}: ${await repairDifferences(comparison, differences)} events published`)
      await comparison.settled()
      differences = await findDifferences(comparison, () => undefined)
      console.log(`${name}: ${differences.length} differ after the repair`)
    }
    differing += differences.length
  }
  return differing === 0 ? 0 : 1
}
