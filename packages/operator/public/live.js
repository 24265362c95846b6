import { linesOf, request } from './api.js'

/** @import { State } from './types.js' */

/** A state takes a few seconds where a replica is slow to answer. */
const longestSilenceMs = 10_000
const kept = { seconds: 300, points: 600 }

/** The state of the system, about every second, and the last minutes of its figures. */
export class Live {
  /** @type {State | undefined} */
  state
  /** Whether the state is of now. */
  isLive = false
  /** The figures of the last minutes by name, all as long as `times` (seconds). */
  history = { times: /** @type {number[]} */ ([]), series: /** @type {Record<string, (number | null)[]>} */ ({}) }
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
    const before = this.state
    this.state = state
    this.isLive = true
    const figures = new Map(state.consumers.map(({ consumer, events }) => [consumer, events]))
    figures.set('outbox', state.outbox.users)
    figures.set('rate', newEventsPerSecond(before, state))
    const { times, series } = this.history
    for (const name of figures.keys()) series[name] ??= times.map(() => null)
    times.push(Date.parse(state.at) / 1_000)
    for (const [name, values] of Object.entries(series)) values.push(figures.get(name) ?? null)
    const isOld = () => times.length > kept.points || (times[0] ?? 0) < (times.at(-1) ?? 0) - kept.seconds
    while (isOld()) for (const values of [times, ...Object.values(series)]) values.shift()
    this.#onChange()
  }

  /** Events per second that came into the stream, over the last ten seconds. */
  get eventsPerSecond() {
    const known = (this.history.series['rate'] ?? []).slice(-10).filter((value) => value !== null)
    return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : null
  }
}

/** What a consumer handles, and by how much more waits for it. @param {State | undefined} before @param {State} now */
function newEventsPerSecond(before, now) {
  const seconds = before ? (Date.parse(now.at) - Date.parse(before.at)) / 1_000 : 0
  if (seconds <= 0) return null
  const rates = now.consumers.map(({ consumer, events, handledPerSecond }) => {
    const waited = before?.consumers.find((one) => one.consumer === consumer)?.events
    return (handledPerSecond ?? 0) + ((events ?? 0) - (waited ?? events ?? 0)) / seconds
  })
  return Math.max(0, ...rates)
}
