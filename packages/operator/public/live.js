import { linesOf, request } from './api.js'

/** @import { State } from './types.js' */

/** A state takes a few seconds where a replica is slow to answer. */
const longestSilenceMs = 10_000
const kept = { seconds: 300, points: 600 }
/** Over so many states a rate is averaged: the figures of it are up to seconds old. */
const averaged = 10

/** The state of the system, about every second, and the last minutes of its figures. */
export class Live {
  /** @type {State | undefined} */
  state
  /** Whether the state is of now. */
  isLive = false
  /** The figures of the last minutes by name, all as long as `times` (seconds). */
  history = { times: /** @type {number[]} */ ([]), series: /** @type {Record<string, (number | null)[]>} */ ({}) }
  #handled = 0
  #onChange
  #end = new AbortController()

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange
  }

  /** Reads the stream until `stop`. After a failure it waits, each time twice as long, up to half a minute. */
  async start() {
    let failures = 0
    while (!this.#end.signal.aborted) {
      await this.#read(() => {
        failures = 0
      }).catch(() => {})
      this.isLive = false
      this.#onChange()
      const waitMs = Math.min(30_000, 1_000 * 2 ** failures++) * (0.75 + Math.random() / 2)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }

  stop() {
    this.#end.abort()
  }

  /** @param {() => void} onState */
  async #read(onState) {
    // A connection that is cut off may stay open without a word.
    const silence = new AbortController()
    let patience = setTimeout(() => silence.abort(), longestSilenceMs)
    const signal = AbortSignal.any([this.#end.signal, silence.signal])
    try {
      for await (const line of linesOf(await request('GET', '/operator/live', { signal }))) {
        if (!line.startsWith('data:')) continue
        clearTimeout(patience)
        patience = setTimeout(() => silence.abort(), longestSilenceMs)
        this.#take(JSON.parse(line.slice(5)))
        onState()
      }
    } finally {
      clearTimeout(patience)
    }
  }

  /** @param {State} state */
  #take(state) {
    const seconds = this.state ? (Date.parse(state.at) - Date.parse(this.state.at)) / 1_000 : 0
    this.state = state
    this.isLive = true
    const figures = new Map(state.consumers.map(({ consumer, events }) => [consumer, events]))
    figures.set('outbox', state.outbox.users)
    // Every event is for the first: what it has handled, and what waits for it, are all that came.
    const [first] = state.consumers
    this.#handled += (first?.handledPerSecond ?? 0) * seconds
    const { times, series } = this.history
    const arrived = first?.events == null ? null : this.#handled + first.events
    const then = Math.max(0, times.length - averaged)
    const before = series['arrived']?.[then] ?? null
    const elapsed = Date.parse(state.at) / 1_000 - (times[then] ?? Number.NaN)
    const isKnown = arrived !== null && before !== null && elapsed > 0
    figures.set('arrived', arrived)
    figures.set('rate', isKnown ? Math.max(0, (arrived - before) / elapsed) : null)
    for (const name of figures.keys()) series[name] ??= times.map(() => null)
    times.push(Date.parse(state.at) / 1_000)
    for (const [name, values] of Object.entries(series)) values.push(figures.get(name) ?? null)
    const isOld = () => times.length > kept.points || (times[0] ?? 0) < (times.at(-1) ?? 0) - kept.seconds
    while (isOld()) for (const values of [times, ...Object.values(series)]) values.shift()
    this.#onChange()
  }
}
