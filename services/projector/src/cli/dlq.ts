import { type DeadLetter, DeadLetterBox } from '../adapters/dead-letter-box.ts'
import type { CliContext } from './context.ts'

/** Lists, shows, replays and drops dead letters. @returns the exit code */
export async function dlq([action, which]: string[], { nats, fail }: CliContext): Promise<number> {
  const box = await DeadLetterBox.open(nats)
  if (action === 'list') return await list(box)
  if (!which || !/^(\d+|all)$/.test(which)) return fail()

  const letters = which === 'all' ? await Array.fromAsync(box.list()) : [await box.find(Number(which))]
  const found = letters.filter((letter) => letter !== undefined)
  if (which !== 'all' && found.length === 0) throw new Error(`there is no dead letter ${which}`)
  if (action === 'show') for (const letter of found) show(letter)
  else if (action === 'replay') for (const letter of found) await box.replay(letter)
  else if (action === 'drop') for (const { seq } of found) await box.drop(seq)
  else return fail()
  if (action !== 'show') console.log(`${found.length} ${action === 'replay' ? 'replayed' : 'dropped'}`)
  return 0
}

/** Without the content: it holds personal data. */
async function list(box: DeadLetterBox): Promise<number> {
  let count = 0
  for await (const { seq, time, reason, consumer, originalSubject } of box.list()) {
    count++
    console.log([seq, time, reason, consumer, originalSubject].join('  '))
  }
  console.log(`${count} dead letters`)
  return 0
}

function show({ data, ...about }: DeadLetter): void {
  for (const [name, value] of Object.entries(about)) console.log(`${name}: ${value}`)
  console.log(`content: ${new TextDecoder().decode(data)}`)
}
