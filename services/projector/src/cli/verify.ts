import { parseArgs } from 'node:util'
import { projections } from '../projections/index.ts'
import { FollowedDatabase } from '../read-store/followed-database.ts'
import { ReadModel } from '../read-store/read-model.ts'
import { type Compared, compareSides, differing } from '../upkeep/compare.ts'
import { comparisonOf } from '../upkeep/comparison.ts'
import { WriteSide } from '../upkeep/write-side.ts'
import type { CliContext } from './context.ts'

/**
 * Compares every read model with the write side and, with `--repair`, repairs it. `--allow-deletions N` lets the repair
 * delete up to N users whom the write side does not know. If one read model cannot be compared, the others still are.
 * @returns 1 while something differs, or could not be compared
 */
export async function verify(args: string[], { db, nats, fail }: CliContext): Promise<number> {
  const { repair, mayDelete } = optionsOf(args) ?? fail()
  const write = new WriteSide(nats, new FollowedDatabase(db))
  let isWhole = true
  for (const projection of projections) {
    const { name } = projection
    const comparison = comparisonOf(new ReadModel(db, projection), write, nats)
    try {
      const condition = await comparison.read.condition()
      if (condition === 'not filled') console.log(`${name}: not filled yet: pnpm projector rebuild ${name}`)
      if (condition !== 'filled') continue
      const compared = await compareSides(comparison, {
        repair,
        mayDelete,
        onDifference: ({ id, kind, readVersion, writeVersion }) =>
          console.log(`${name}  ${kind}  ${id}  read ${readVersion}, write ${writeVersion}`),
      })
      let left = differing(compared)
      report(name, compared)
      if (left > 0 && repair) {
        console.log(`${name}: ${compared.published} events published`)
        await comparison.settled()
        left = differing(await compareSides(comparison, { repair: false }))
        console.log(`${name}: ${left} differ after the repair`)
      }
      isWhole &&= left === 0
    } catch (error) {
      console.error(`error: ${name}: ${(error as Error).message}`)
      isWhole = false
    }
  }
  return isWhole ? 0 : 1
}

function report(name: string, compared: Compared): void {
  const { users, sums, held } = compared
  for (const [sum, by] of Object.entries(sums))
    console.log(`${name}  wrong sum  ${sum}  too ${by > 0 ? 'low' : 'high'} by ${Math.abs(by)}`)
  console.log(`${name}: ${users} users compared, ${differing(compared)} differ`)
  if (held > 0)
    console.log(
      `${name}: the write side does not know ${held} users, more than a repair deletes by itself. If they should be ` +
        `deleted: pnpm projector verify --repair --allow-deletions ${held}`,
    )
}

function optionsOf(args: string[]): { repair: boolean; mayDelete: number | undefined } | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: { repair: { type: 'boolean', default: false }, 'allow-deletions': { type: 'string' } },
    })
    const allowed = values['allow-deletions']
    if (allowed !== undefined && !(values.repair && /^\d{1,9}$/.test(allowed))) return undefined
    return { repair: values.repair, mayDelete: allowed === undefined ? undefined : Number(allowed) }
  } catch {
    return undefined
  }
}
