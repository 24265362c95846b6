import { Command, InvalidArgumentError } from 'commander'
import { type DeadLetter, DeadLetterBox } from '../consuming/dead-letter-box.ts'
import type { CliContext, Run } from './context.ts'

type Which = { consumer?: string; reason?: string }

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

async function list({ nats, print }: CliContext, which: Which): Promise<undefined> {
  let count = 0
  for await (const letter of matching(await DeadLetterBox.open(nats), which)) {
    count++
    printLetter(print, letter)
  }
  print({ count }, `${count} dead letters`)
}

async function show({ nats, print }: CliContext, seq: number): Promise<undefined> {
  const { data, ...about } = await find(await DeadLetterBox.open(nats), seq)
  const content = new TextDecoder().decode(data)
  const lines = Object.entries({ ...about, content }).map(([name, value]) => `${name}: ${value}`)
  print({ ...about, content }, lines.join('\n'))
}

async function settle(
  action: 'replay' | 'drop',
  { nats, print }: CliContext,
  which: number | 'all',
  { dryRun, ...filter }: Which & { dryRun?: boolean },
): Promise<undefined> {
  const box = await DeadLetterBox.open(nats)
  let count = 0
  for await (const letter of which === 'all' ? matching(box, filter) : [await find(box, which)]) {
    count++
    if (dryRun) printLetter(print, letter)
    else if (action === 'replay') await box.replay(letter)
    else await box.drop(letter.seq)
  }
  const done = action === 'replay' ? 'replayed' : 'dropped'
  print({ [done]: dryRun ? 0 : count, matching: count }, dryRun ? `${count} would be ${done}` : `${count} ${done}`)
}

async function* matching(box: DeadLetterBox, { consumer, reason }: Which): AsyncGenerator<DeadLetter> {
  for await (const letter of box.list())
    if ((consumer ?? letter.consumer) === letter.consumer && (reason ?? letter.reason) === letter.reason) yield letter
}

async function find(box: DeadLetterBox, seq: number): Promise<DeadLetter> {
  const letter = await box.find(seq)
  if (!letter) throw new Error(`there is no dead letter ${seq}`)
  return letter
}

/** Without the content, which holds personal data. */
function printLetter(print: CliContext['print'], { data: _, ...about }: DeadLetter): void {
  const { seq, time, reason, consumer, originalSubject } = about
  print(about, [seq, time, reason, consumer, originalSubject].join('  '))
}

function seqOf(text: string): number {
  if (!/^[1-9]\d{0,15}$/.test(text)) throw new InvalidArgumentError('It must be a number that `dlq list` shows.')
  return Number(text)
}
