import { consistencyTokenHeader, type ReadModelName, Refusal } from '@cqrs/contracts'
import { Counter, callerOf, Histogram, shares } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import { inTurn } from '../read-store/batches.ts'
import type { Moment, ReadDatabase } from '../read-store/read-database.ts'
import type { AppliedNotices, Watch } from './applied-notices.ts'
import type { Seen } from './seen.ts'

/** What was read, and the token of the answer. */
export type Fresh<Result> = { result: Result; token: string }

/** The same, or the users whose version a read model does not have yet. */
type Attempt<Result> = { fresh: Fresh<Result> } | { behind: Map<string, number> }

/**
 * Reads what queries answer at one moment of the read database, and waits for a moment that shows what the client has
 * seen.
 *
 * It bounds the reads of each kind in progress, of one caller and of all: a caller that asks for much waits in a queue
 * of its own. Kinds differ by what they read: lists, statistics, and a user.
 * Requests that wait with the same URL and token share one read, because no answer depends on the caller. If one ever
 * does, the key must as well.
 */
export class FreshReads {
  readonly #database: ReadDatabase
  readonly #notices: Pick<AppliedNotices, 'watch'>
  readonly #waitMs: number
  readonly #share = inTurn<Attempt<unknown>>()
  readonly #ofOne = shares({ running: 4, waiting: 46 })
  // Of each kind. The driver's pool has 100 connections: the others are left to look-ups by id and health checks.
  readonly #ofAll = shares({ running: 24, waiting: 500, refusal: 'overloaded' })

  /** @param options.waitMs maximum wait, without the time that the database takes */
  constructor({ database, notices, waitMs }: Options) {
    this.#database = database
    this.#notices = notices
    this.#waitMs = waitMs
  }

  /**
   * @param readModels those that `read` reads: they must have every user's version
   * @throws Refusal `read-model-behind` if they do not in time, `rate-limited` if the caller asks for too much at once,
   * `overloaded` if all do
   */
  async read<Result>(
    request: FastifyRequest,
    { seen, readModels }: { seen: Seen | undefined; readModels: readonly ReadModelName[] },
    read: (moment: Moment) => Promise<Result>,
  ): Promise<Fresh<Result>> {
    const caller = callerOf(request)?.id ?? ''
    const kind = readModels.join(' ')
    const users = seen?.users ?? new Map<string, number>()
    const key = [request.url, request.headers[consistencyTokenHeader], ...users].join(' ')
    const attempt = async (upToDate: boolean) =>
      (await this.#share(
        key,
        () =>
          this.#database.at({ seen: seen?.times, upToDate }, (moment) => attemptAt(moment, users, readModels, read)),
        (call) => this.#ofOne(`${kind} ${caller}`, () => this.#ofAll(kind, call)),
      )) as Attempt<Result>

    // Read models have nearly always caught up by now, and no watch is needed.
    const first = await attempt(false)
    if ('fresh' in first) return first.fresh
    const observe = waits.startTimer()
    const deadline = performance.now() + this.#waitMs
    const watch: Watch = this.#notices.watch(first.behind, caller)
    try {
      for (;;) {
        const isLast = request.signal.aborted || performance.now() >= deadline
        const next = await attempt(true)
        if ('fresh' in next) return next.fresh
        if (isLast) {
          timeouts.inc()
          throw new Refusal('read-model-behind')
        }
        await watch.noticed(Math.min(pollMs, Math.max(deadline - performance.now(), 0)), request.signal)
      }
    } finally {
      observe()
      watch.end()
    }
  }
}

/**
 * Whether the read models have the users' versions, and what is read, both at this moment. An unknown user counts as an
 * older version, because its creation may not be applied yet; so does a tombstone of an older version.
 */
async function attemptAt<Result>(
  moment: Moment,
  users: ReadonlyMap<string, number>,
  readModels: readonly ReadModelName[],
  read: (moment: Moment) => Promise<Result>,
): Promise<Attempt<Result>> {
  const behindIn = async (collection: string, isRead: boolean): Promise<[string, number][]> => {
    const among = { _id: { $in: [...users.keys()] } }
    const page = { projection: { version: 1 }, limit: users.size }
    const found = await moment.findIn<{ _id: string; version: number }>(collection, among, page)
    const stored = new Map(found.map(({ _id, version }) => [_id, version]))
    const behind = [...users].filter(([id, version]) => version > (stored.get(id) ?? 0))
    if (isRead && behind.some(([id, version]) => version > (stored.get(id) ?? 0) + maxAhead))
      throw new Refusal('read-model-behind')
    return behind
  }
  const awaited = new Map<string, number>()
  const left = new Map<string, number>()
  if (users.size > 0) {
    const live = await moment.live()
    const read = readModels.map((readModel) => live.collectionOf(readModel))
    // A user stays in the token until every read model has its version.
    const all = new Set([...read, ...live.collections()])
    const look = async (collection: string) => {
      const isRead = read.includes(collection)
      for (const [id, version] of await behindIn(collection, isRead)) (isRead ? awaited : left).set(id, version)
    }
    await Promise.all([...all].map(look))
  }
  if (awaited.size > 0) return { behind: awaited }
  return { fresh: { result: await read(moment), token: moment.token([...left]) } }
}

const waits = new Histogram({
  name: 'query_freshness_wait_seconds',
  help: 'Time that a query waited for a read model to have what its client has seen, of those that waited',
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
})
const timeouts = new Counter({
  name: 'query_freshness_timeouts_total',
  help: 'Queries that waited and were refused with `read-model-behind`',
})

type Options = { database: ReadDatabase; notices: Pick<AppliedNotices, 'watch'>; waitMs: number }

/** In case a notice is missed: as often as a client would retry by itself. */
const pollMs = 500

/** A database changes one user some hundred times a second, so a version further ahead is not reached while waiting. */
const maxAhead = 1_000
