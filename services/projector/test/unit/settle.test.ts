import { UnreadableEvent } from '@cqrs/contracts'
import { createLogger, type NatsLink } from '@cqrs/service-kit'
import type { JsMsg } from '@nats-io/jetstream'
import t from 'tap'
import { PermanentFailure } from '../../src/consuming/failures.ts'
import { settle } from '../../src/consuming/settle.ts'

t.test('a message is acknowledged when it is handled, and not before', async (t) => {
  const handled = Promise.withResolvers<void>()
  const { settled, calls } = settling(handled.promise)
  await new Promise(setImmediate)
  t.strictSame(calls, [])
  handled.resolve()
  t.equal(await settled, true)
  t.strictSame(calls, [['ack']])
})

t.test('a message of a newer schema is redelivered after 1 s, 2 s, 4 s, … up to a minute', async (t) => {
  for (const [deliveryCount, delayMs] of [
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [6, 32_000],
    [7, 60_000],
    [2_000, 60_000],
  ] as const) {
    const { settled, calls } = settling(Promise.reject(new UnreadableEvent('newer-schema-version', '3')), deliveryCount)
    t.equal(await settled, false)
    t.strictSame(calls, [['nak', delayMs]])
  }
})

t.test('after any other error the message is kept', async (t) => {
  const { settled, calls } = settling(Promise.reject(new Error('database is down')))
  await t.rejects(settled, /database is down/)
  t.strictSame(calls, [])
})

for (const failure of [new PermanentFailure('mail-refused', '550'), new UnreadableEvent('not-json', 'it is no JSON')]) {
  t.test(`a ${failure.constructor.name} is kept until its dead letter is stored`, async (t) => {
    const { settled, calls } = settling(Promise.reject(failure))
    await t.rejects(settled, /NATS is unavailable/)
    t.strictSame(calls, [])
  })
}

/** Settles a message while NATS is unavailable, and records what the server would be told. */
function settling(handled: Promise<unknown>, deliveryCount = 1) {
  const calls: unknown[][] = []
  const record =
    (name: string) =>
    (...args: unknown[]) =>
      void calls.push([name, ...args])
  const message = { info: { deliveryCount }, ack: record('ack'), nak: record('nak'), term: record('term') }
  const nats = { connection: () => undefined } as NatsLink
  const logger = createLogger('test', 'silent')
  const content = new UnreadableEvent('not-json', '1 byte')
  return { calls, settled: settle({ message: message as unknown as JsMsg, content }, handled, { nats, logger }) }
}
