import { pause } from '@cqrs/service-kit'
import type { Context } from './context.ts'
import { currentState, type State } from './state.ts'

/** A state with what only two of them tell. */
export type LiveState = Omit<State, 'consumers'> & {
  consumers: (State['consumers'][number] & { handledPerSecond: number | null })[]
}

/** The state of the system about every second, which all who watch share. While nobody does, nobody is asked. */
export class Live {
  readonly #context: Pick<Context, 'db' | 'nats'>
  #next: Promise<LiveState> | undefined
  #last: State | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  readonly #closing = new AbortController()

  constructor(context: Pick<Context, 'db' | 'nats'>) {
    this.#context = context
  }

  /** The states from now on, until `close` or until the caller stops. */
  async *states(): AsyncGenerator<LiveState> {
    while (!this.#closing.signal.aborted) yield await this.#shared()
  }

  close(): void {
    this.#closing.abort()
  }

  #shared(): Promise<LiveState> {
    this.#next ??= this.#ask().finally(() => {
      this.#next = undefined
    })
    return this.#next
  }

  async #ask(): Promise<LiveState> {
    // While NATS is down, nobody is waited for.
    await pause(Math.max(0, this.#askedAt + 1_000 - performance.now()), this.#closing.signal)
    this.#askedAt = performance.now()
    const last = this.#last
    const state = await currentState(this.#context)
    this.#last = state
    const seconds = last && (state.at.getTime() - last.at.getTime()) / 1_000
    const consumers = state.consumers.map((consumer, i) => {
      const before = last?.consumers[i]?.delivered ?? null
      const { delivered } = consumer
      // Numbers of the stream start over when it is made again.
      const isKnown = seconds && before !== null && delivered !== null && delivered >= before
      return { ...consumer, handledPerSecond: isKnown ? (delivered - before) / seconds : null }
    })
    return { ...state, consumers }
  }
}
