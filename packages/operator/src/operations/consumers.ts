import { PausedConsumers, projections, registrations } from '@cqrs/projector'
import { ConsumerControl } from './consumer-control.ts'
import type { Context } from './context.ts'

/** The durable consumers of this release: one for each shape that it fills, and the welcome e-mail's. */
export const consumers: readonly string[] = [...projections.map(({ name }) => name), registrations.durable]

/** Delivers no events to a consumer for so many minutes; they wait in the stream. */
export function pauseConsumer({ db, nats, actions }: Context, consumer: string, minutes: number) {
  return actions.record('pause-consumer', { consumer, minutes }, async () => {
    // In this order, or a projector would resume it in between.
    await new PausedConsumers(db).add(consumer, minutes * 60_000)
    return { consumer, pausedUntil: await new ConsumerControl(nats).pause(consumer, minutes * 60_000) }
  })
}

/** Delivers events to a paused consumer again. */
export function resumeConsumer({ db, nats, actions }: Context, consumer: string) {
  return actions.record('resume-consumer', { consumer }, async () => {
    await new PausedConsumers(db).remove(consumer)
    await new ConsumerControl(nats).resume(consumer)
    return { consumer }
  })
}
