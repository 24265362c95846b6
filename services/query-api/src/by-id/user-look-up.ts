import { Refusal } from '@cqrs/contracts'
import { Counter } from '@cqrs/service-kit'
import { LRUCache } from 'lru-cache'
import { inBatches } from '../read-store/batches.ts'
import type { Moment, ReadDatabase } from '../read-store/read-database.ts'
import type { UserReadRepository } from '../read-store/user-read-repository.ts'
import { readyUser, unknownUser } from './ready-user.ts'
import type { Loaded, RedisCache } from './redis-cache.ts'
import type { ReadyUser, UserCache } from './user-cache.ts'

/**
 * Finds users by id: in memory, then in Redis if configured, then in the database. Concurrent look-ups of one user
 * share one read, and concurrent reads of several users share one query.
 *
 * A notice that overtakes a look-up does not leave an old answer behind: later callers do not join look-ups that began
 * before the notice, and their results are cached only if they have the noticed version or a higher one.
 */
export class UserLookUp {
  readonly #database: ReadDatabase
  readonly #cache: UserCache
  readonly #users: UserReadRepository
  readonly #redis: RedisCache | undefined
  readonly #load: (wanted: Wanted) => Promise<Loaded>
  readonly #inProgress = new Map<string, LookUps>()
  /** The versions of recent notices: a lagging member of the database can be behind them. */
  readonly #noticed = new LRUCache<string, number>({ max: 10_000 })
  /** Counts the times that notices may have been missed. */
  #epoch = 0
  #purging: NodeJS.Timeout | undefined

  constructor(options: {
    database: ReadDatabase
    users: UserReadRepository
    cache: UserCache
    redis?: RedisCache | undefined
  }) {
    this.#database = options.database
    this.#users = options.users
    this.#cache = options.cache
    this.#redis = options.redis
    this.#load = inBatches((wanted) => this.#loadAll(wanted), { maxSize: 200, maxRunning: 4, maxWaiting: 5_000 })
  }

  start(): void {
    this.#purging = setInterval(() => this.#cache.purge(), 1_000).unref()
    this.#redis?.start()
  }

  /**
   * Finds a user in memory, or loads it.
   * @param atLeast the wanted version: caches skip lower ones, but the database may still return a lower one
   * @returns the user if it is in memory, without a promise, which keeps the hot path synchronous. Otherwise a promise
   * of the user. It rejects with Refusal `overloaded`, with Refusal `read-model-behind` if the document is unreadable,
   * or with the driver's error
   */
  find(id: string, atLeast = 0): ReadyUser | Promise<ReadyUser> {
    const cached = this.inMemory(id, { atLeast })
    if (cached) return cached
    const current = this.#inProgress.get(id)
    if (current?.answer && current.atLeast >= atLeast) return current.answer
    return this.#start(id, atLeast)
  }

  /** The user if it is in memory with this version or a higher one, read at this time of the database or later. */
  inMemory(id: string, { atLeast, after = 0n }: { atLeast: number; after?: bigint }): ReadyUser | undefined {
    const cached = this.#cache.get(id)
    if (!cached || cached.version < atLeast || cached.time < after) return undefined
    hits.inc()
    return cached
  }

  /** Finds a user at a moment, and keeps it in memory. @throws Refusal `read-model-behind`, as `find` */
  async findAt(moment: Moment, id: string): Promise<ReadyUser> {
    const [readAt, epoch] = [performance.now(), this.#epoch]
    const { users, unreadable } = await this.#users.findByIds([id], moment)
    if (unreadable.length > 0) throw new Refusal('read-model-behind')
    const user = readyUser(users.get(id) ?? unknownUser, moment)
    const isCurrent = user.version > 0 && user.version >= (this.#noticed.get(id) ?? 0) && epoch === this.#epoch
    if (isCurrent) this.#cache.put(id, user, performance.now() - readAt)
    return user
  }

  /** Drops older versions: the read model has this version of the user, or a higher one. */
  outdate(id: string, version: number): void {
    if (version > (this.#noticed.get(id) ?? 0)) this.#noticed.set(id, version)
    this.#cache.outdate(id, version)
    const database = this.#database.knownIdentity
    if (database !== undefined) this.#redis?.outdate(id, version, database)
    const current = this.#inProgress.get(id)
    if (!current || current.noticed >= version) return
    current.noticed = version
    current.answer = undefined
  }

  /** Drops everything, because notices may have been missed. */
  outdateAll(): void {
    this.#epoch++
    this.#cache.clear()
    this.#redis?.distrust()
    for (const current of this.#inProgress.values()) {
      current.answer = undefined
      current.noticed = Number.POSITIVE_INFINITY
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#purging)
    await this.#redis?.close()
  }

  #start(id: string, atLeast: number): Promise<ReadyUser> {
    misses.inc()
    const current: LookUps = this.#inProgress.get(id) ?? { count: 0, noticed: 0, atLeast, answer: undefined }
    this.#inProgress.set(id, current)
    current.count++
    current.atLeast = atLeast
    const loading = this.#load({ id, atLeast: Math.max(atLeast, this.#noticed.get(id) ?? 0) })
    const answer = loading.then(({ user, readAt }) => {
      if (user.version > 0 && user.version >= current.noticed) this.#cache.put(id, user, performance.now() - readAt)
      return user
    })
    current.answer = answer
    const done = () => {
      if (current.answer === answer) current.answer = undefined
      current.count--
      if (current.count === 0) this.#inProgress.delete(id)
    }
    answer.then(done, done)
    return answer
  }

  /** Reads Redis, then the database for the others, then its primary for those that are older than wanted. */
  async #loadAll(wanted: Wanted[]): Promise<(Loaded | Refusal)[]> {
    const database = await this.#database.identity()
    const loaded = await this.#readRedis(wanted, database)
    const missing = wanted.filter(({ id }) => !loaded.has(id))
    if (missing.length > 0) {
      const fresh = await this.#readDatabase(missing, false)
      const behind = missing.filter(({ id, atLeast }) => (fresh.get(id)?.user.version ?? 0) < atLeast)
      if (behind.length > 0 && this.#database.canLag) {
        const newer = await this.#readDatabase(behind, true)
        for (const [id, one] of newer) fresh.set(id, one)
      }
      this.#redis?.write(new Map([...fresh].filter(([, { user }]) => user.version > 0)), database)
      for (const [id, one] of fresh) loaded.set(id, one)
    }
    return wanted.map(({ id }) => loaded.get(id) ?? new Refusal('read-model-behind'))
  }

  async #readRedis(wanted: Wanted[], database: string): Promise<Map<string, Loaded>> {
    if (!this.#redis?.isInUse) return new Map()
    const found = await this.#redis.read(idsOf(wanted), database)
    for (const { id, atLeast } of wanted) {
      if ((found.get(id)?.user.version ?? atLeast) < atLeast) found.delete(id)
    }
    return found
  }

  /** Unknown users included; without those whose document is unreadable. */
  async #readDatabase(wanted: Wanted[], upToDate: boolean): Promise<Map<string, Loaded>> {
    const readAt = performance.now()
    return await this.#database.at({ upToDate }, async (moment) => {
      const ids = idsOf(wanted)
      const { users, unreadable } = await this.#users.findByIds(ids, moment)
      const readable = ids.filter((id) => !unreadable.includes(id))
      return new Map(
        readable.map((id) => [id, { user: readyUser(users.get(id) ?? unknownUser, moment), readAt }] as const),
      )
    })
  }
}

/** The look-ups of one user in progress. If a notice arrived between them, callers join only the last one. */
type LookUps = {
  count: number
  /** The highest version noticed since the first of them began. */
  noticed: number
  /** The version wanted by the look-up that callers can join. */
  atLeast: number
  answer: Promise<ReadyUser> | undefined
}

type Wanted = { id: string; atLeast: number }

const idsOf = (wanted: Wanted[]): string[] => [...new Set(wanted.map(({ id }) => id))]

const hits = new Counter({ name: 'query_user_cache_hits_total', help: 'Look-ups of users answered from memory' })
const misses = new Counter({
  name: 'query_user_cache_misses_total',
  help: 'Look-ups of users not answered from memory',
})
