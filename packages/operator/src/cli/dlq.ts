import { Command, InvalidArgumentError } from 'commander'
import {
  type AboutLetter,
  deadLetters,
  readDeadLetter,
  settleDeadLetters,
  type Which,
} from '../operations/dead-letters.ts'
import type { CliContext, Run } from './run.ts'

/** `dlq`: lists, shows, replays and drops dead letters. */
export function dlqCommand(run: Run): Command {
  const dlq = new Command('dlq').description('dead letters: messages that a consumer can never handle')
  const filtered = (name: string, description: string) =>
    dlq
      .command(name)
      .description(description)
      .option('--consumer <name>', 'only those of this consumer')
      .option('--reason <code>', 'only those with this reason')
  filtered('list', 'list them, with the reason for each').action(run(list))
  dlq.command('show').description('show one, with its content').argument('<seq>', 'its number', seqOf).action(run(show))
  for (const [name, description] of [
    ['replay', 'publish the original messages again'],
    ['drop', 'delete dead letters'],
  ] as const)
    filtered(name, description)
      .argument('<seq|all>', 'the number of one, or all', (text) => (text === 'all' ? text : seqOf(text)))
      .option('--dry-run', 'only list which')
      .action(run((context, which, options) => settle(name, context, which, options)))
  return dlq
}

async function list(context: CliContext, which: Which): Promise<undefined> {
  const count = await printLetters(context, which)
  context.print({ count }, `${count} dead letters`)
}

async function show(context: CliContext, seq: number): Promise<undefined> {
  const letter = await readDeadLetter(context, seq, { isMasked: false })
  const lines = Object.entries(letter).map(([name, value]) => `${name}: ${value}`)
  context.print(letter, lines.join('\n'))
}

async function settle(
  action: 'replay' | 'drop',
  context: CliContext,
  which: number | 'all',
  { dryRun, ...filter }: Which & { dryRun?: boolean },
): Promise<undefined> {
  const chosen = which === 'all' ? filter : { seq: which }
  const count = dryRun ? await printLetters(context, chosen) : await settleDeadLetters(context, action, chosen)
  const done = action === 'replay' ? 'replayed' : 'dropped'
  const text = dryRun ? `${count} would be ${done}` : `${count} ${done}`
  context.print({ [done]: dryRun ? 0 : count, matching: count }, text)
}

async function printLetters(context: CliContext, which: Which): Promise<number> {
  let count = 0
  for await (const letter of deadLetters(context, which)) {
    count++
    context.print(letter, textOf(letter))
  }
  return count
}

const textOf = ({ seq, time, reason, consumer, originalSubject }: AboutLetter): string =>
  [seq, time, reason, consumer, originalSubject].join('  ')

function seqOf(text: string): number {
  if (!/^[1-9]\d{0,15}$/.test(text)) throw new InvalidArgumentError('It must be a number that `dlq list` shows.')
  return Number(text)
}
