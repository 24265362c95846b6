import type { Operation } from './history.ts'

/** A user has this version or a later one, which `operation` has answered. */
export type Known = { version: number; operation: Operation }

/** Later than any version: the user is deleted. */
export const gone = Number.MAX_SAFE_INTEGER

/**
 * What the holder of a token knows: the least version of each user, by a key that the caller chooses. Most tokens
 * extend the one before, so they share one line of entries, and each stands for a position on it. What extends an older
 * token begins a line of its own. Never changed: `with` gives the next one.
 */
export class Knowledge {
  readonly #line: Line
  readonly #position: number

  private constructor(line: Line, position: number) {
    this.#line = line
    this.#position = position
  }

  static nothing(): Knowledge {
    return new Knowledge({ entries: new Map(), head: -1, before: undefined, depth: 0 }, 0)
  }

  get(key: number): Known | undefined {
    for (let line: Line | undefined = this.#line, position = this.#position; line; ) {
      const entries = line.entries.get(key)
      for (let i = (entries?.length ?? 0) - 1; i >= 0; i--) {
        const entry = entries?.[i] as Entry
        if (entry.position <= position) return entry
      }
      position = line.before?.position ?? 0
      line = line.before?.line
    }
    return undefined
  }

  /** About as many users. */
  get size(): number {
    let size = 0
    for (let line: Line | undefined = this.#line; line; line = line.before?.line) size += line.entries.size
    return size
  }

  /** All that is known, in no order. */
  *all(): Generator<[number, Known]> {
    const keys = new Set<number>()
    for (let line: Line | undefined = this.#line; line; line = line.before?.line)
      for (const key of line.entries.keys()) keys.add(key)
    for (const key of keys) {
      const known = this.get(key)
      if (known) yield [key, known]
    }
  }

  /** This and more. What says less than is known already is left out. */
  with(more: Iterable<[number, Known]>): Knowledge {
    let next: Knowledge = this
    for (const [key, { version, operation }] of more) {
      if (version <= (next.get(key)?.version ?? 0)) continue
      if (next === this) next = this.#next()
      const entry = { version, operation, position: next.#position }
      const entries = next.#line.entries.get(key)
      if (entries) entries.push(entry)
      else next.#line.entries.set(key, [entry])
    }
    return next
  }

  #next(): Knowledge {
    const line = this.#line
    if (line.head === this.#position) return new Knowledge(line, ++line.head)
    const before = { line, position: this.#position }
    const fork = new Knowledge({ entries: new Map(), head: 0, before, depth: line.depth + 1 }, 0)
    return line.depth < deepest ? fork : fork.#flat()
  }

  /** The same without lines before it. */
  #flat(): Knowledge {
    const entries = new Map([...this.all()].map(([key, known]) => [key, [{ ...known, position: 0 }]]))
    return new Knowledge({ entries, head: 0, before: undefined, depth: 0 }, 0)
  }
}

type Entry = Known & { position: number }

type Line = {
  entries: Map<number, Entry[]>
  /** The newest position. */
  head: number
  before: { line: Line; position: number } | undefined
  depth: number
}

/** Lines that a look-up follows. */
const deepest = 8
