import { Command, InvalidArgumentError } from 'commander'
import { projections } from '../projections/index.ts'
import { FollowedDatabase } from '../read-store/followed-database.ts'
import { ReadModel } from '../read-store/read-model.ts'
import { type Compared, compareSides, differing } from '../upkeep/compare.ts'
import { comparisonOf } from '../upkeep/comparison.ts'
import { WriteSide } from '../upkeep/write-side.ts'
import type { CliContext, Run } from './context.ts'

/** `verify`: compares every read model with the write side and, with `--repair`, repairs it. */
export const verifyCommand = (run: Run): Command =>
  new Command('verify')
    .description('compare every read model with the write side; exits with 1 while something differs')
    .option('--repair', 'repair what differs, through events')
    .option('--allow-deletions <n>', 'with --repair: delete up to n users whom the write side does not know', countOf)
    .action(run(verify))

/** If one read model cannot be compared, the others still are. */
async function verify(
  { db, nats, print }: CliContext,
  { repair = false, allowDeletions: mayDelete }: { repair?: boolean; allowDeletions?: number },
): Promise<number> {
  if (mayDelete !== undefined && !repair) throw new Error('--allow-deletions needs --repair')
  const write = new WriteSide(nats, new FollowedDatabase(db))
  let isWhole = true
  for (const projection of projections) {
    const { name } = projection
    const comparison = comparisonOf(new ReadModel(db, projection), write, nats)
    try {
      const condition = await comparison.read.condition()
      if (condition === 'not filled')
        print({ shape: name, condition }, `${name}: not filled yet: npm run projector -- rebuild ${name}`)
      if (condition !== 'filled') continue
      const compared = await compareSides(comparison, {
        repair,
        mayDelete,
        onDifference: ({ id, kind, readVersion, writeVersion }) =>
          print(
            { shape: name, id, kind, readVersion, writeVersion },
            `${name}  ${kind}  ${id}  read ${readVersion}, write ${writeVersion}`,
          ),
      })
      let left = differing(compared)
      report(print, name, compared)
      if (left > 0 && repair) {
        print({ shape: name, published: compared.published }, `${name}: ${compared.published} events published`)
        await comparison.settled()
        left = differing(await compareSides(comparison, { repair: false }))
        print({ shape: name, left }, `${name}: ${left} differ after the repair`)
      }
      isWhole &&= left === 0
    } catch (error) {
      console.error(`error: ${name}: ${(error as Error).message}`)
      isWhole = false
    }
  }
  return isWhole ? 0 : 1
}

function report(print: CliContext['print'], shape: string, compared: Compared): void {
  const { users, sums, held } = compared
  for (const [sum, by] of Object.entries(sums))
    print({ shape, sum, by }, `${shape}  wrong sum  ${sum}  too ${by > 0 ? 'low' : 'high'} by ${Math.abs(by)}`)
  print(
    { shape, users, differing: differing(compared) },
    `${shape}: ${users} users compared, ${differing(compared)} differ`,
  )
  if (held > 0)
    print(
      { shape, held },
      `${shape}: the write side does not know ${held} users, more than a repair deletes by itself. If they should be ` +
        `deleted: npm run projector -- verify --repair --allow-deletions ${held}`,
    )
}

function countOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a number.')
  return Number(text)
}
