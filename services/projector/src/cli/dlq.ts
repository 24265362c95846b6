import { type DeadLetter, DeadLetterBox } from '../consuming/dead-letter-box.ts'
import type { CliContext } from './context.ts'

/** Lists, shows, replays and drops dead letters. @returns the exit code */
export async function dlq([action = '', which = '']: string[], { nats, fail }: CliContext): Promise<number> {
  const box = await DeadLetterBox.open(nats)
  if (action === 'list') return await list(box)
  if (!['show', 'replay', 'drop'].includes(action) || !/^(\d+|all)$/.test(which)) return fail()

  let count = 0
  for await (const letter of which === 'all' ? box.list() : await one(box, Number(which))) {
    count++
    if (action === 'show') show(letter)
    else if (action === 'replay') await box.replay(letter)
    else await box.drop(letter.seq)
  }
  if (action !== 'show') console.log(`${count} ${action === 'replay' ? 'replayed' : 'dropped'}`)
  return 0
}

async function one(box: DeadLetterBox, seq: number): Promise<DeadLetter[]> {
  const letter = await box.find(seq)
  if (!letter) throw new Error(`there is no dead letter ${seq}`)
  return [letter]
}

/** Lists without the content, which holds personal data. */
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
