import { usersReadCollection } from '@cqrs/contracts'
import { Counter } from '@cqrs/service-kit'
import { LRUCache } from 'lru-cache'
import { inBatches } from '../batches.ts'
import type { LiveCollections } from '../read-store/live-collections.ts'
import type { UserReadRepository } from '../read-store/user-read-repository.ts'
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
  readonly #shared: RedisCache | undefined
  readonly #load: (wanted: Wanted) => Promise<Loaded | undefined>
  readonly #underWay = new Map<string, UnderWay>()
  /** The versions of the last notices, for a database member that lags behind them. */
  readonly #noticed = new LRUCache<string, number>({ max: 10_000 })
  readonly #purging: NodeJS.Timeout

  constructor({ collections, users, cache, shared }: Parts) {
    this.#collections = collections
    this.#shared = shared
    this.#cache = cache
    this.#load = inBatches((wanted) => this.#loadAll(wanted, users), { maxSize: 200, maxRunning: 4, maxWaiting: 5_000 })
    this.#purging = setInterval(() => cache.purge(), 1_000).unref()
  }

  /** A user that can be answered without asking anyone, in this version or a higher one. */
  cached(id: string, atLeast = 0): ReadyUser | undefined {
    const live = this.#collections.nameOf(usersReadCollection)
    const user = live === undefined ? undefined : this.#cache.get(id, live)
    if (!user || user.version < atLeast) return undefined
    hits.inc()
    return user
  }

  /**
   * @param atLeast the version that is hoped for: what is cached of a lower one is passed over. What is found can still be
   * of a lower one
   * @returns undefined where the read model knows nothing of such a user
   * @throws Refusal `overloaded`, or the driver's error
   */
  find(id: string, atLeast = 0): Promise<ReadyUser | undefined> {
    const cached = this.cached(id, atLeast)
    if (cached) return Promise.resolve(cached)
    const underWay = this.#underWay.get(id)
    if (underWay?.answer && underWay.atLeast >= atLeast) return underWay.answer
    return this.#start(id, atLeast)
  }

  /** The read model has this version of the user now, or a higher one. */
  outdate(id: string, version: number): void {
    if (version > (this.#noticed.get(id) ?? 0)) this.#noticed.set(id, version)
    this.#cache.outdate(id, version)
    const live = this.#collections.nameOf(usersReadCollection)
    if (live !== undefined) this.#shared?.outdate(id, version, live)
    const underWay = this.#underWay.get(id)
    if (!underWay || underWay.noticed >= version) return
    underWay.noticed = version
    underWay.answer = undefined
  }

  /** Notices may have been missed: nothing that is known is to be trusted any more. */
  outdateAll(): void {
    this.#cache.clear()
    this.#shared?.distrust()
    for (const underWay of this.#underWay.values()) {
      underWay.answer = undefined
      underWay.noticed = Number.POSITIVE_INFINITY
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#purging)
    await this.#shared?.close()
  }

  #start(id: string, atLeast: number): Promise<ReadyUser | undefined> {
    misses.inc()
    const underWay: UnderWay = this.#underWay.get(id) ?? { count: 0, noticed: 0, atLeast, answer: undefined }
    this.#underWay.set(id, underWay)
    underWay.count++
    underWay.atLeast = atLeast
    const loading = this.#load({ id, atLeast: Math.max(atLeast, this.#noticed.get(id) ?? 0) })
    const answer = loading.then((loaded) => {
      if (loaded && loaded.user.version >= underWay.noticed) this.#keep(id, loaded)
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
  async #loadAll(wanted: Wanted[], users: UserReadRepository): Promise<(Loaded | undefined)[]> {
    const loaded = await this.#loadShared(wanted)
    const missing = wanted.filter(({ id }) => !loaded.has(id))
    if (missing.length > 0) {
      const fresh = await read(missing, users, { upToDate: false })
      const behind = missing.filter(({ id, atLeast }) => (fresh.get(id)?.user.version ?? 0) < atLeast)
      if (behind.length > 0 && users.canLag) {
        for (const [id, newer] of await read(behind, users, { upToDate: true })) fresh.set(id, newer)
      }
      const [first] = fresh.values()
      if (first) this.#shared?.write(fresh, first.collection)
      for (const [id, one] of fresh) loaded.set(id, one)
    }
    return wanted.map(({ id }) => loaded.get(id))
  }

  async #loadShared(wanted: Wanted[]): Promise<Map<string, Loaded>> {
    const live = this.#collections.nameOf(usersReadCollection)
    if (!this.#shared?.isInUse || live === undefined) return new Map()
    const shared = await this.#shared.read([...new Set(wanted.map(({ id }) => id))], live)
    for (const { id, atLeast } of wanted) {
      if ((shared.get(id)?.user.version ?? atLeast) < atLeast) shared.delete(id)
    }
    return shared
  }

  #keep(id: string, { user, collection, readAt }: Loaded): void {
    if (collection !== this.#collections.nameOf(usersReadCollection)) return
    this.#cache.put(id, user, { collection, ageMs: performance.now() - readAt })
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

type Parts = {
  collections: LiveCollections
  users: UserReadRepository
  cache: UserCache
  shared?: RedisCache | undefined
}

async function read(wanted: Wanted[], users: UserReadRepository, from: { upToDate: boolean }) {
  const readAt = performance.now()
  const { collection, found } = await users.findByIds([...new Set(wanted.map(({ id }) => id))], from)
  return new Map(
    [...found].map(([id, stored]): [string, Loaded] => [id, { user: readyUser(stored), collection, readAt }]),
  )
}

const hits = new Counter({ name: 'query_user_cache_hits_total', help: 'Users answered from the memory of the process' })
const misses = new Counter({ name: 'query_user_cache_misses_total', help: 'Look-ups of users that went further' })
