import { createHash } from 'node:crypto'
import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { Kind, Outcome } from '@cqrs/checker'

/** The fields of a line besides `event` and `at`, as packages/checker/README.md describes them. */
export type Line = Record<string, unknown>

/** One operation as the report counts it; times in milliseconds since the beginning. */
export type Sample = { kind: Kind; outcome: Outcome; begin: number; end: number }

/** Writes a history, one line an event, in the order in which this process sees them. */
export class Recorder {
  readonly samples: Sample[] = []
  readonly #file: WriteStream
  readonly #from = performance.now()
  readonly #open = new Map<number, { kind: Kind; begin: number }>()
  #last = 0

  constructor(file: string) {
    this.#file = createWriteStream(file)
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return performance.now() - this.#from
  }

  write(event: string, line: Line = {}): void {
    this.#file.write(`${JSON.stringify({ event, at: Math.floor(this.now * 1_000), ...line })}\n`)
  }

  /** Records that a request is sent. @returns its number */
  invoke(client: string, kind: Kind, line: Line): number {
    const op = ++this.#last
    this.#open.set(op, { kind, begin: this.now })
    this.write('invoke', { op, client, kind, ...line })
    return op
  }

  complete(op: number, outcome: Outcome, line: Line = {}): void {
    const { kind, begin } = this.#open.get(op) as { kind: Kind; begin: number }
    this.#open.delete(op)
    this.samples.push({ kind, outcome, begin, end: this.now })
    this.write(outcome, { op, ...line })
  }

  /** Returns when the file has everything that was written. */
  async flush(): Promise<void> {
    await new Promise((done) => this.#file.write('', done))
  }

  async close(): Promise<void> {
    this.#file.end()
    await finished(this.#file)
  }
}

/** Stands for a secret, or for a long text, in a history: the same text has the same digest. */
export const digest = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 16)
