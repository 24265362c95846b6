import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect, styleText } from 'node:util'

const { stdin, stdout } = process
const interruption = new AbortController()
let { signal } = interruption
let waitsForKeys = stdin.isTTY === true && stdout.isTTY === true

/** Everything in this file that waits ends with an `AbortError`. */
export const interrupt = (): void => interruption.abort()
/** For what has to be done in any case. */
export const ignoreInterruption = (): void => {
  signal = new AbortController().signal
}
export const neverWait = (): void => {
  waitsForKeys = false
}

/** Prints a text, wrapped. */
export function say(text = ''): void {
  for (const line of text.match(/.{1,96}(\s|$)/g) ?? ['']) print(line.trimEnd())
}

export function heading(text: string): void {
  print(`\n${styleText('bold', text)}\n`)
}

/** Prints something that was seen or measured. */
export function show(name: string, value: string | number): void {
  print(`  ${name.padEnd(36)}  ${styleText('green', String(value))}`)
}

/** Prints a document, an event or a text. */
export function showWhole(name: string, value: unknown): void {
  print(`  ${name}`)
  const text = typeof value === 'string' ? value : inspect(value, { depth: null, breakLength: 110 })
  for (const line of text.split('\n')) print(styleText('dim', `    ${line}`))
}

/** Says where to look, and waits for Enter. */
export async function waitForKey(prompt: string, places: string[] = []): Promise<void> {
  for (const place of places) print(`  ${styleText('cyan', `→ ${place}`)}`)
  signal.throwIfAborted()
  if (!waitsForKeys) return
  stdout.write(`\n${styleText('inverse', ` Enter: ${prompt} `)} `)
  stdin.resume()
  try {
    await once(stdin, 'data', { signal })
  } finally {
    stdin.pause()
  }
}

/** Such as `users_read_v1  ███████░░░  7`. */
export function bar(name: string, value: number, whole: number): string {
  const filled = Math.ceil((Math.min(value, whole) / whole) * 30)
  return `  ${name.padEnd(18)}  ${'█'.repeat(filled).padEnd(30, '░')}  ${value}`
}

/**
 * Looks again and again while something is done, and once after it. In a terminal the lines replace those before;
 * elsewhere only the last ones are printed. Returns when nothing is under way any more.
 */
export async function drawWhile<Result>(work: Promise<Result>, look: () => Promise<string[]>): Promise<Result> {
  let isOver = false
  const done = work.finally(() => {
    isOver = true
  })
  const drawing = async () => {
    for (let drawn = 0; ; await pause(100)) {
      const isLast = isOver
      const lines = await look()
      if (stdout.isTTY && drawn) stdout.write(`\x1b[${drawn}A\x1b[J`)
      if (stdout.isTTY || isLast) for (const line of lines) print(line)
      if (isLast) return
      drawn = lines.length
    }
  }
  const [, drawn] = await Promise.allSettled([done, drawing()])
  if (drawn.status === 'rejected') throw drawn.reason
  return done
}

/** A rate, rounded. */
export const perSecond = (count: number, ms: number): number => Math.round(count / (ms / 1_000))

/** Tries until the result is something. @throws after a minute */
export async function until<Result>(what: string, attempt: () => Promise<Result | undefined | null | false>) {
  for (const deadline = Date.now() + 60_000; ; ) {
    const result = await attempt()
    if (result) return result
    if (Date.now() > deadline) throw new Error(`waited for a minute in vain: ${what}`)
    await pause(10)
  }
}

/** Does something so many times, a few at a time. Returns when nothing is under way any more. */
export async function times(count: number, work: () => Promise<unknown>): Promise<void> {
  let begun = 0
  const worker = async () => {
    while (begun++ < count) {
      signal.throwIfAborted()
      await work()
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: 4 }, worker))
  const failed = ended.find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
}

export const pause = (ms: number): Promise<void> => delay(ms, undefined, { signal })

/** How long something takes, in milliseconds. */
export async function timed<Result>(work: () => Promise<Result>): Promise<[result: Result, ms: number]> {
  const from = performance.now()
  return [await work(), Math.round(performance.now() - from)]
}

function print(line: string): void {
  stdout.write(`${line}\n`)
}
