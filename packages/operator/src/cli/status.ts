import { Command } from 'commander'
import { currentState } from '../operations/state.ts'
import type { CliContext, Run } from './run.ts'

/** `status`: every replica, every consumer and read model, and the outbox, as the processes say over NATS. */
export const statusCommand = (run: Run): Command =>
  new Command('status')
    .description('show what runs, how far the read models are, and what waits; exits with 1 if something is wrong')
    .action(run(status, { needsServers: false }))

async function status(context: CliContext): Promise<number> {
  const state = await currentState(context)
  const line = (isWell: boolean, object: object, ...text: (string | number)[]) =>
    context.print({ ...object, isWell }, [...(isWell ? [] : ['!']), ...text].join('  '))
  for (const about of state.replicas) {
    const { service, version, replica, status, down, missing, reasons } = about
    const why = [...(down.length > 0 ? [`down: ${down.join(', ')}`] : []), ...missing, ...reasons]
    line(status === 'ready', about, service, ...(version ? [version, replica ?? ''] : []), status, ...why)
  }
  for (const about of state.consumers) {
    const { consumer, events, oldestSeconds, deadLetters, pausedUntil, isWell } = about
    const waiting = events === null ? 'events: unknown' : `${events} events to handle`
    const oldest = events ? [`the oldest ${seconds(oldestSeconds)} old`] : []
    const letters = deadLetters === null ? 'dead letters: unknown' : `${deadLetters} dead letters`
    const paused = pausedUntil ? [`paused until ${pausedUntil.toISOString()}`] : []
    line(isWell, about, consumer, waiting, ...oldest, letters, ...paused)
  }
  for (const about of state.readModels) {
    const { shape, isLive, differing, held, comparedAt, rebuild, isWell } = about
    const compared = comparedAt
      ? `${differing} differences, compared ${seconds((state.at.getTime() - comparedAt.getTime()) / 1_000)} ago`
      : 'not compared yet'
    const text = [
      isLive ? 'live' : 'not live',
      compared,
      ...(held ? [`${held} deletions held`] : []),
      ...(rebuild ? [`rebuild: ${rebuild.filled} of ${rebuild.total ?? 'unknown'}`] : []),
    ]
    line(isWell, about, shape, ...text)
  }
  const { users, oldestSeconds, isWell } = state.outbox
  const oldest = users ? [`the oldest ${seconds(oldestSeconds)} old`] : []
  line(isWell, { outbox: state.outbox }, 'outbox', `${users ?? 'unknown'} users wait`, ...oldest)
  for (const { text, remedy } of state.problems) context.print({ problem: text, remedy }, `! ${text}: ${remedy}`)
  return state.isWell ? 0 : 1
}

const seconds = (value: number | null): string =>
  value === null
    ? 'unknown'
    : value < 120
      ? `${value.toFixed(1)} s`
      : value < 7_200
        ? `${Math.round(value / 60)} min`
        : `${Math.round(value / 3_600)} h`
