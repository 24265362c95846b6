import { usersReadCollection } from '@cqrs/contracts'
import { Counter } from '@cqrs/service-kit'
import { LRUCache } from 'lru-cache'
import { inBatches } from '../read-store/batches.ts'
import type { LiveCollections } from '../read-store/live-collections.ts'
import type { Stored, UserReadRepository } from '../read-store/user-read-repository.ts'
import { readyUser } from './ready-user.ts'
import type { Loaded, RedisCache } from './redis-cache.ts'
import type { ReadyUser, UserCache } from './user-cache.ts'

/**
 * Users by id: from the cache, else together with others from Redis, where there is one, and from the database. A user is asked for once at a time, however
 * many want it.
 *
 * Versions keep an old answer from outliving a notice: the notice of a version ends the look-ups that began before it
 * for those who come later, and what such a look-up finds is not kept unless it is of that version or a higher one.
 */
export class UserLookUp {
  readonly #collections: LiveCollections
  readonly #cache: UserCache
  readonly #users: UserReadRepository
  readonly #redis: RedisCache | undefined
  readonly #load: (wanted: Wanted) => Promise<Loaded | undefined>
  readonly #underWay = new Map<string, UnderWay>()
  /** The versions of the last notices, for a database member that lags behind them. */
  readonly #noticed = new LRUCache<string, number>({ max: 10_000 })
  #purging: NodeJS.Timeout | undefined

  constructor(options: {
    collections: LiveCollections
    users: UserReadRepository
    cache: UserCache
    redis?: RedisCache | undefined
  }) {
    this.#collections = options.collections
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
   * @param atLeast the version that is hoped for: what is cached of a lower one is passed over. What is found can still be
   * of a lower one
   * @returns the user itself where it is in memory, so that such an answer takes no turn through promises; else a promise,
   * of undefined where the read model knows nothing of such a user. It rejects with a Refusal `overloaded`, or the
   * driver's error
   */
  find(id: string, atLeast = 0): ReadyUser | Promise<ReadyUser | undefined> {
    const live = this.#collections.nameOf(usersReadCollection)
    const cached = live === undefined ? undefined : this.#cache.get(id, live)
    if (cached && cached.version >= atLeast) {
      hits.inc()
      return cached
    }
    const underWay = this.#underWay.get(id)
    if (underWay?.answer && underWay.atLeast >= atLeast) return underWay.answer
    return this.#start(id, atLeast)
  }

  /** The read model has this version of the user now, or a higher one. */
  outdate(id: string, version: number): void {
    if (version > (this.#noticed.get(id) ?? 0)) this.#noticed.set(id, version)
    this.#cache.outdate(id, version)
    const live = this.#collections.nameOf(usersReadCollection)
    if (live !== undefined) this.#redis?.outdate(id, version, live)
    const underWay = this.#underWay.get(id)
    if (!underWay || underWay.noticed >= version) return
    underWay.noticed = version
    underWay.answer = undefined
  }

  /** Notices may have been missed: nothing that is known is to be trusted any more. */
  outdateAll(): void {
    this.#cache.clear()
    this.#redis?.distrust()
    for (const underWay of this.#underWay.values()) {
      underWay.answer = undefined
      underWay.noticed = Number.POSITIVE_INFINITY
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#purging)
    await this.#redis?.close()
  }

  #start(id: string, atLeast: number): Promise<ReadyUser | undefined> {
    misses.inc()
    const underWay: UnderWay = this.#underWay.get(id) ?? { count: 0, noticed: 0, atLeast, answer: undefined }
    this.#underWay.set(id, underWay)
    underWay.count++
    underWay.atLeast = atLeast
    const loading = this.#load({ id, atLeast: Math.max(atLeast, this.#noticed.get(id) ?? 0) })
    const answer = loading.then((loaded) => {
      if (loaded && loaded.user.version >= underWay.noticed) {
        const { user, collection, readAt } = loaded
        this.#cache.put(id, user, { collection, ageMs: performance.now() - readAt })
      }
      return loaded?.user
    })
    underWay.answer = answer
    const done = () => {
      if (underWay.answer === answer) underWay.answer = undefined
      underWay.count--
      if (underWay.count === 0) this.#underWay.delete(id)
    }
    answer.then(done, done)
    return answer
  }

  /** From Redis, the others from the database, and of those who are older than hoped for once more from its primary. */
  async #loadAll(wanted: Wanted[]): Promise<(Loaded | undefined)[]> {
    const live = await this.#collections.of<Stored>(usersReadCollection)
    const loaded = await this.#readRedis(wanted, live.collectionName)
    const missing = wanted.filter(({ id }) => !loaded.has(id))
    if (missing.length > 0) {
      const fresh = await this.#readDatabase(missing, { from: live, upToDate: false })
      const behind = missing.filter(({ id, atLeast }) => (fresh.get(id)?.user.version ?? 0) < atLeast)
      if (behind.length > 0 && this.#users.canLag) {
        const newer = await this.#readDatabase(behind, { from: live, upToDate: true })
        for (const [id, one] of newer) fresh.set(id, one)
      }
      this.#redis?.write(fresh, live.collectionName)
      for (const [id, one] of fresh) loaded.set(id, one)
    }
    return wanted.map(({ id }) => loaded.get(id))
  }

  async #readRedis(wanted: Wanted[], live: string): Promise<Map<string, Loaded>> {
    if (!this.#redis?.isInUse) return new Map()
    const found = await this.#redis.read(idsOf(wanted), live)
    for (const { id, atLeast } of wanted) {
      if ((found.get(id)?.user.version ?? atLeast) < atLeast) found.delete(id)
    }
    return found
  }

  async #readDatabase(
    wanted: Wanted[],
    options: Parameters<UserReadRepository['findByIds']>[1],
  ): Promise<Map<string, Loaded>> {
    const readAt = performance.now()
    const collection = options.from.collectionName
    const found = await this.#users.findByIds(idsOf(wanted), options)
    return new Map([...found].map(([id, stored]) => [id, { user: readyUser(stored), collection, readAt }]))
  }
}

/** The look-ups of one user. Several where a notice came meanwhile: then only the last is joined by others. */
type UnderWay = {
  count: number
  /** The highest version that was noticed since the first of them began. */
  noticed: number
  /** The version hoped for by the one that others can join. */
  atLeast: number
  answer: Promise<ReadyUser | undefined> | undefined
}

type Wanted = { id: string; atLeast: number }

const idsOf = (wanted: Wanted[]): string[] => [...new Set(wanted.map(({ id }) => id))]

const hits = new Counter({ name: 'query_user_cache_hits_total', help: 'Users answered from the memory of the process' })
const misses = new Counter({ name: 'query_user_cache_misses_total', help: 'Look-ups of users that went further' })
