import { type ReplicaStatus, statusSubject } from '@cqrs/contracts'
import { PausedConsumers } from '@cqrs/projector'
import { ConsumerControl } from './consumer-control.ts'
import { consumers } from './consumers.ts'
import type { Context } from './context.ts'
import { listShapes, type ShapeStatus } from './read-models.ts'

/** How the system is. What nobody tells is null. */
export type State = {
  at: Date
  isWell: boolean
  replicas: Replica[]
  consumers: ConsumerState[]
  readModels: ReadModelState[]
  outbox: { users: number | null; oldestSeconds: number | null; isWell: boolean }
  /** What is wrong now, and what mends it: a command or a sentence. */
  problems: { text: string; remedy: string }[]
}

/** A running replica, or a service of which none answers. */
export type Replica = {
  service: string
  version: string | null
  replica: string | null
  status: ReplicaStatus['status'] | 'no answer'
  down: string[]
  missing: string[]
  reasons: string[]
}

export type ConsumerState = {
  consumer: string
  /** Not handled yet. */
  events: number | null
  oldestSeconds: number | null
  deadLetters: number | null
  /** The number of the last event that was delivered to it. */
  delivered: number | null
  pausedUntil: Date | null
  isWell: boolean
}

export type ReadModelState = Omit<ShapeStatus, 'lag' | 'rebuild'> & {
  isLive: boolean
  /** Users that the last comparison has found to differ. */
  differing: number | null
  /** Deletions that the brake holds. */
  held: number | null
  comparedAt: Date | null
  rebuild: { filled: number; total: number } | null
  isWell: boolean
}

/** Asks every replica over NATS, which takes 1.5 to 3 s, and looks into the read database. */
export async function currentState({ db, nats }: Pick<Context, 'db' | 'nats'>): Promise<State> {
  const progress = new ConsumerControl(nats)
  const [answers, stored, delivered] = await Promise.all([
    askReplicas(nats),
    storedState({ db, nats }).catch(() => undefined),
    Promise.all(consumers.map((consumer) => progress.delivered(consumer).catch(() => null))),
  ])
  const gauge = gaugesOf(answers)
  const ofConsumers = consumers.map((consumer, i): ConsumerState => {
    const oldestSeconds = gauge('consumer_oldest_unhandled_seconds', { consumer })
    const deadLetters = gauge('projector_dead_letters', { consumer })
    return {
      consumer,
      events: gauge('consumer_unhandled_messages', { consumer }),
      oldestSeconds,
      deadLetters,
      delivered: delivered[i] ?? null,
      pausedUntil: stored?.paused.get(consumer) ?? null,
      isWell: deadLetters === 0 && isDraining(oldestSeconds),
    }
  })
  const readModels = (stored?.shapes ?? []).map(({ lag: _, rebuild, ...about }): ReadModelState => {
    const differing = gauge('projector_differences', { read_model: about.shape })
    const held = gauge('projector_deletions_held', { read_model: about.shape })
    const comparedAt = gauge('projector_compared_timestamp_seconds', { read_model: about.shape })
    return {
      ...about,
      isLive: about.condition === 'live',
      differing,
      held,
      comparedAt: comparedAt ? new Date(comparedAt * 1_000) : null,
      rebuild: rebuild ? { filled: rebuild.filled, total: rebuild.total ?? 0 } : null,
      isWell: !differing && !held,
    }
  })
  const oldestSeconds = gauge('outbox_oldest_pending_seconds', {})
  const outbox = { users: gauge('outbox_pending_users', {}), oldestSeconds, isWell: isDraining(oldestSeconds) }
  const parts = { replicas: replicasOf(answers), consumers: ofConsumers, readModels, outbox }
  const problems = problemsOf({
    ...parts,
    isNatsUp: nats.connection() !== undefined,
    isDatabaseUp: stored !== undefined,
  })
  return { at: new Date(), isWell: problems.length === 0, ...parts, problems }
}

async function storedState({ db, nats }: Pick<Context, 'db' | 'nats'>) {
  const [paused, shapes] = await Promise.all([new PausedConsumers(db).current(), listShapes({ db, nats })])
  return { paused, shapes }
}

/** Those that answer within 3 s; it does not wait much longer than for the last of them. None while NATS is down. */
async function askReplicas(nats: Context['nats']): Promise<ReplicaStatus[]> {
  const found: ReplicaStatus[] = []
  const options = { strategy: 'stall', maxWait: 3_000, stall: 1_500 } as const
  for await (const message of (await nats.connection()?.requestMany(statusSubject, '', options)) ?? [])
    found.push(message.json())
  return found.sort((one, other) => one.replica.localeCompare(other.replica))
}

function replicasOf(answers: readonly ReplicaStatus[]): Replica[] {
  const silent = { version: null, replica: null, status: 'no answer', down: [], missing: [], reasons: [] } as const
  return ['command-api', 'projector', 'query-api'].flatMap((service): Replica[] => {
    const found = answers.filter((answer) => answer.service === service)
    if (found.length === 0) return [{ service, ...silent, down: [], missing: [], reasons: [] }]
    return found.map(({ gauges: _, checks, missing = [], reasons = [], ...about }) => {
      const down = Object.keys(checks).filter((name) => checks[name] === 'down')
      return { ...about, down, missing, reasons }
    })
  })
}

function problemsOf({ replicas, consumers, readModels, outbox, isNatsUp, isDatabaseUp }: Parts): State['problems'] {
  const found: State['problems'] = []
  const add = (text: string, remedy: string) => void found.push({ text, remedy })
  if (!isDatabaseUp) add('the read database does not answer', 'start it, or give this process its address and rights')
  if (!isNatsUp) {
    add('NATS does not answer: nothing is known of the services', 'start it; events wait in the outbox until then')
    return found
  }
  for (const { service, replica, status, down, missing, reasons } of replicas) {
    if (status === 'no answer') add(`${service}: no replica answers`, 'start it, and read the end of its log')
    else if (status !== 'ready')
      add(`${service} ${replica} is ${status}: ${[...down, ...missing, ...reasons].join(', ')}`, 'docs/operations.md')
  }
  for (const { consumer, events, oldestSeconds, deadLetters, pausedUntil } of consumers) {
    if (deadLetters)
      add(
        `${consumer}: ${deadLetters} dead letter${deadLetters === 1 ? '' : 's'}`,
        `npm run projector -- dlq list --consumer ${consumer}`,
      )
    if (isDraining(oldestSeconds)) continue
    const lag =
      events === null ? 'its lag is unknown' : `${events} events wait, the oldest ${Math.round(oldestSeconds ?? 0)} s`
    if (pausedUntil)
      add(`${consumer} is paused until ${pausedUntil.toISOString()}: ${lag}`, `npm run projector -- resume ${consumer}`)
    else add(`${consumer}: ${lag}`, 'docs/operations.md#consumerstuck')
  }
  for (const { shape, differing, held } of readModels) {
    if (held)
      add(
        `${shape}: the write side does not know ${held} users, more than a repair deletes by itself`,
        `npm run projector -- verify --repair --allow-deletions ${held}`,
      )
    else if (differing)
      add(`${shape}: ${differing} users differ from the write side`, 'npm run projector -- verify --repair')
  }
  if (!outbox.isWell) {
    const { users, oldestSeconds } = outbox
    const waits =
      users === null
        ? 'nobody tells how many wait'
        : `${users} users wait, the longest ${Math.round(oldestSeconds ?? 0)} s`
    add(`outbox: ${waits}`, 'see that NATS is up and its stream is not full')
  }
  return found
}

type Parts = Pick<State, 'replicas' | 'consumers' | 'readModels' | 'outbox'> & {
  isNatsUp: boolean
  isDatabaseUp: boolean
}

const isDraining = (oldestSeconds: number | null): boolean => oldestSeconds !== null && oldestSeconds < 60

/** The highest value that a replica has for these labels; null if none knows it. */
function gaugesOf(replicas: ReplicaStatus[]) {
  return (name: string, labels: Record<string, string>): number | null => {
    const series = replicas.flatMap(({ gauges }) => gauges[name] ?? [])
    const matching = series.filter((one) =>
      Object.entries(labels).every(([label, value]) => one.labels[label] === value),
    )
    const byRest = Map.groupBy(matching, ({ labels }) => JSON.stringify(labels))
    const values = [...byRest.values()].map((same) => Math.max(...same.flatMap(({ value }) => value ?? [])))
    return values.length > 0 && values.every(Number.isFinite) ? values.reduce((sum, value) => sum + value) : null
  }
}
