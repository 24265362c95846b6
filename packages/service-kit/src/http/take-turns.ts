import { tracing } from '@cqrs/telemetry'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { sourceOf } from './source.ts'

/**
 * Lets clients take turns: in one turn of the event loop, at most `perTurn` requests of one source begin, and the
 * others wait for the next turns. So a client with a thousand connections is served as fast as before, and one with a
 * single connection waits for a few of its requests instead of all.
 */
export function takeTurns(app: Pick<FastifyInstance, 'addHook'>, perTurn = 32): void {
  /** How many of a source have begun in this turn. */
  const begun = new Map<string, number>()
  const waiting = new Map<string, (() => void)[]>()
  let isDue = false

  const next = () => {
    isDue = false
    begun.clear()
    for (const [source, requests] of waiting) {
      const beginning = requests.splice(0, perTurn)
      if (requests.length === 0) waiting.delete(source)
      begun.set(source, beginning.length)
      for (const begin of beginning) begin()
    }
    if (waiting.size > 0) callNext()
  }
  const callNext = () => {
    if (isDue) return
    isDue = true
    setImmediate(next)
  }

  app.addHook('onRequest', (request, _reply, done) => {
    const source = sourceQuickly(request)
    const before = begun.get(source) ?? 0
    const others = waiting.get(source)
    if (others) others.push(tracing.bound(done))
    else if (before < perTurn) {
      begun.set(source, before + 1)
      done()
    } else waiting.set(source, [tracing.bound(done)])
    callNext()
  })
}

/** An IPv4 address needs no parsing. */
const sourceQuickly = (request: FastifyRequest): string => (request.ip.includes(':') ? sourceOf(request) : request.ip)
