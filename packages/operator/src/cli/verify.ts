import { Command, InvalidArgumentError } from 'commander'
import { compareAll, type Finding } from '../operations/comparison.ts'
import type { CliContext, Run } from './run.ts'

/** `verify`: compares every read model with the write side and, with `--repair`, repairs it. */
export const verifyCommand = (run: Run): Command =>
  new Command('verify')
    .description('compare every read model with the write side; exits with 1 while something differs')
    .option('--repair', 'repair what differs, through events')
    .option('--allow-deletions <n>', 'with --repair: delete up to n users whom the write side does not know', countOf)
    .action(run(verify))

async function verify(
  context: CliContext,
  { repair = false, allowDeletions: mayDelete }: { repair?: boolean; allowDeletions?: number },
): Promise<number> {
  if (mayDelete !== undefined && !repair) throw new Error('--allow-deletions needs --repair')
  const isWhole = await compareAll(context, { repair, mayDelete }, (finding) => {
    if ('error' in finding) console.error(`error: ${finding.shape}: ${finding.error}`)
    else context.print(finding, textOf(finding))
  })
  return isWhole ? 0 : 1
}

function textOf(finding: Exclude<Finding, { error: string }>): string {
  const { shape } = finding
  if ('kind' in finding)
    return `${shape}  ${finding.kind}  ${finding.id}  read ${finding.readVersion}, write ${finding.writeVersion}`
  if ('sum' in finding)
    return `${shape}  wrong sum  ${finding.sum}  too ${finding.by > 0 ? 'low' : 'high'} by ${Math.abs(finding.by)}`
  if ('users' in finding) return `${shape}: ${finding.users} users compared, ${finding.differing} differ`
  if ('published' in finding) return `${shape}: ${finding.published} events published`
  if ('left' in finding) return `${shape}: ${finding.left} differ after the repair`
  if ('condition' in finding) return `${shape}: not filled yet: npm run projector -- rebuild ${shape}`
  return (
    `${shape}: the write side does not know ${finding.held} users, more than a repair deletes by itself. If they ` +
    `should be deleted: npm run projector -- verify --repair --allow-deletions ${finding.held}`
  )
}

function countOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a number.')
  return Number(text)
}
