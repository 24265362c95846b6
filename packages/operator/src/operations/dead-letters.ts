import type { Context } from './context.ts'
import { type DeadLetter, DeadLetterBox } from './dead-letter-box.ts'

/** Without its content, which holds personal data. */
export type AboutLetter = Omit<DeadLetter, 'data'>

/** Which letters: one by its number, or all that fit. */
export type Which = { seq?: number | undefined; consumer?: string | undefined; reason?: string | undefined }

/** The letters that fit, the oldest first. @throws Error if there is none with this number */
export async function* deadLetters({ nats }: Pick<Context, 'nats'>, which: Which): AsyncGenerator<AboutLetter> {
  for await (const { data: _, ...about } of lettersIn(await DeadLetterBox.open(nats), which)) yield about
}

/**
 * One letter with its content, as text.
 * @param options.isMasked replaces the texts in it that can be personal data by asterisks; else who looks is kept
 */
export async function readDeadLetter(
  { nats, actions }: Context,
  seq: number,
  { isMasked }: { isMasked: boolean },
): Promise<AboutLetter & { content: string }> {
  const { data, ...about } = await letterIn(await DeadLetterBox.open(nats), seq)
  const content = new TextDecoder().decode(data)
  if (isMasked) return { ...about, content: masked(content) }
  return actions.record('read-dead-letter', { seq, consumer: about.consumer }, async () => ({ ...about, content }))
}

/**
 * Publishes the original messages again, to the consumer that could not handle them, or deletes the letters.
 * @returns how many
 */
export async function settleDeadLetters(
  { nats, actions }: Context,
  action: 'replay' | 'drop',
  which: Which,
): Promise<number> {
  const box = await DeadLetterBox.open(nats)
  return actions.record(`${action}-dead-letters`, which, async () => {
    let count = 0
    for await (const letter of lettersIn(box, which)) {
      if (action === 'replay') await box.replay(letter)
      else await box.drop(letter.seq)
      count++
    }
    return count
  })
}

async function* lettersIn(box: DeadLetterBox, { seq, consumer, reason }: Which): AsyncGenerator<DeadLetter> {
  if (seq !== undefined) yield await letterIn(box, seq)
  else
    for await (const letter of box.list())
      if ((consumer ?? letter.consumer) === letter.consumer && (reason ?? letter.reason) === letter.reason) yield letter
}

async function letterIn(box: DeadLetterBox, seq: number): Promise<DeadLetter> {
  const letter = await box.find(seq)
  if (!letter) throw new Error(`there is no dead letter ${seq}`)
  return letter
}

/** What is not JSON may be anything, and is hidden as a whole. */
function masked(content: string): string {
  try {
    return JSON.stringify(JSON.parse(content, (name, value) => (isPersonal(name, value) ? '***' : value)))
  } catch {
    return '***'
  }
}

/** Every text but those that an event needs to be told from others. */
const isPersonal = (name: string, value: unknown): boolean => typeof value === 'string' && !harmless.has(name)
const harmless = new Set(['specversion', 'id', 'source', 'type', 'subject', 'time', 'traceparent', 'requestid'])
