import { type ReplicaStatus, readModelShapes, shapeName, statusSubject } from '@cqrs/contracts'
import { Command } from 'commander'
import { registrations } from '../welcome-email/welcome-email.ts'
import type { CliContext, Run } from './context.ts'

/** `status`: every replica, every consumer and read model, and the outbox, as the processes say over NATS. */
export const statusCommand = (run: Run): Command =>
  new Command('status')
    .description('show what runs, how far the read models are, and what waits; exits with 1 if something is wrong')
    .action(run(status))

async function status({ nats, print }: CliContext): Promise<number> {
  const replicas = await replicasThatAnswer(nats)
  let isWell = true
  const line = (isRight: boolean, object: object, ...text: (string | number)[]) => {
    isWell &&= isRight
    print({ ...object, isWell: isRight }, [...(isRight ? [] : ['!']), ...text].join('  '))
  }
  for (const service of ['command-api', 'projector', 'query-api']) {
    const found = replicas.filter((replica) => replica.service === service)
    if (found.length === 0) line(false, { service }, service, 'no answer')
    for (const { gauges: _, ...about } of found) {
      const { version, replica, status, checks, missing = [], reasons = [] } = about
      const down = Object.keys(checks).filter((name) => checks[name] === 'down')
      const why = [...(down.length > 0 ? [`down: ${down.join(', ')}`] : []), ...missing, ...reasons]
      line(status === 'ready', about, service, version, replica, status, ...why)
    }
  }
  const gauge = gaugesOf(replicas)
  for (const consumer of [...shapes.map(({ name }) => name), registrations.durable]) {
    const events = gauge('consumer_unhandled_messages', { consumer })
    const oldestSeconds = gauge('consumer_oldest_unhandled_seconds', { consumer })
    const deadLetters = gauge('projector_dead_letters', { consumer })
    const waiting = events === undefined ? 'events: unknown' : `${events} events to handle`
    const oldest = events ? [`the oldest ${seconds(oldestSeconds)} old`] : []
    const letters = deadLetters === undefined ? 'dead letters: unknown' : `${deadLetters} dead letters`
    const isRight = deadLetters === 0 && oldestSeconds !== undefined && oldestSeconds < 60
    line(isRight, { consumer, events, oldestSeconds, deadLetters }, consumer, waiting, ...oldest, letters)
  }
  for (const { name, readModel, shape } of shapes) {
    const isLive = gauge('projector_live_shape', { read_model: readModel }) === shape
    const rebuilt = gauge('projector_rebuild_progress_ratio', { read_model: name })
    const differing = gauge('projector_differences', { read_model: name })
    const held = gauge('projector_deletions_held', { read_model: name })
    const comparedAt = gauge('projector_compared_timestamp_seconds', { read_model: name })
    const compared = comparedAt
      ? `${differing} differences, compared ${seconds(Date.now() / 1_000 - comparedAt)} ago`
      : 'not compared yet'
    const text = [
      isLive ? 'live' : 'not live',
      compared,
      ...(held ? [`${held} deletions held`] : []),
      ...(rebuilt !== undefined && rebuilt < 1 ? [`rebuild ${Math.floor(rebuilt * 100)} %`] : []),
    ]
    line(!differing && !held, { shape: name, isLive, differing, held, comparedAt, rebuilt }, name, ...text)
  }
  const users = gauge('outbox_pending_users', {})
  const oldestSeconds = gauge('outbox_oldest_pending_seconds', {})
  const oldest = users ? [`the oldest ${seconds(oldestSeconds)} old`] : []
  const isDraining = oldestSeconds !== undefined && oldestSeconds < 60
  line(isDraining, { outbox: { users, oldestSeconds } }, 'outbox', `${users ?? 'unknown'} users wait`, ...oldest)
  return isWell ? 0 : 1
}

/** Those that answer within 3 s; it does not wait much longer than for the last of them. */
async function replicasThatAnswer(nats: CliContext['nats']): Promise<ReplicaStatus[]> {
  const connection = nats.connection()
  if (!connection) throw new Error('NATS is unavailable')
  const found: ReplicaStatus[] = []
  const options = { strategy: 'stall', maxWait: 3_000, stall: 1_000 } as const
  for await (const message of await connection.requestMany(statusSubject, '', options)) found.push(message.json())
  return found.sort((one, other) => one.replica.localeCompare(other.replica))
}

/** The highest value that a replica has for these labels; undefined if none knows it. */
function gaugesOf(replicas: ReplicaStatus[]) {
  return (name: string, labels: Record<string, string>): number | undefined => {
    const series = replicas.flatMap(({ gauges }) => gauges[name] ?? [])
    const matching = series.filter((one) =>
      Object.entries(labels).every(([label, value]) => one.labels[label] === value),
    )
    const byRest = Map.groupBy(matching, ({ labels }) => JSON.stringify(labels))
    const values = [...byRest.values()].map((same) => Math.max(...same.flatMap(({ value }) => value ?? [])))
    return values.length > 0 && values.every(Number.isFinite) ? values.reduce((sum, value) => sum + value) : undefined
  }
}

/** Those that this release knows. */
const shapes = Object.entries(readModelShapes).flatMap(([readModel, numbers]) =>
  numbers.map((shape) => ({ name: shapeName(readModel, shape), readModel, shape })),
)

const seconds = (value = Number.NaN): string =>
  value < 120
    ? `${value.toFixed(1)} s`
    : value < 7_200
      ? `${Math.round(value / 60)} min`
      : `${Math.round(value / 3_600)} h`
