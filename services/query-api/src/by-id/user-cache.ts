import { LRUCache } from 'lru-cache'

/** A user ready to be sent. Without a body it is a deleted one: there is nothing to send, and nothing personal is kept. */
export type ReadyUser = { version: number; etag: string; body: string | undefined }

/**
 * Ready users in this process's memory, the least used of them dropped first. What it holds is of one collection: when
 * another one becomes live, it starts empty.
 */
export class UserCache {
  readonly #entries: LRUCache<string, ReadyUser>
  readonly #lifetimeMs: number
  #collection: string | undefined

  /** @param lifetimeMs how old an entry gets, counted from when the database was asked; 0 keeps nothing */
  constructor({ lifetimeMs, maxBytes, maxEntries = 100_000 }: Bounds) {
    this.#lifetimeMs = lifetimeMs
    this.#entries = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      ttl: Math.max(1, lifetimeMs),
      ttlResolution: 0,
      sizeCalculation: ({ body }) => overheadBytes + 2 * (body?.length ?? 0),
    })
  }

  get size(): number {
    return this.#entries.size
  }

  /** Never more than `maxBytes`. */
  get bytes(): number {
    return this.#entries.calculatedSize
  }

  /** @param live the collection that is live now. Entries of another one are dropped */
  get(id: string, live: string): ReadyUser | undefined {
    if (live !== this.#collection) {
      this.#entries.clear()
      this.#collection = live
    }
    return this.#entries.get(id)
  }

  /**
   * Keeps a user that was read `ageMs` ago from this collection, unless it has a newer version of it, or another
   * collection has become live.
   */
  put(id: string, user: ReadyUser, { collection, ageMs }: { collection: string; ageMs: number }): void {
    this.#collection ??= collection
    if (collection !== this.#collection || ageMs >= this.#lifetimeMs) return
    if (user.version >= (this.#entries.peek(id)?.version ?? 0)) {
      this.#entries.set(id, user, { ttl: this.#lifetimeMs - ageMs })
    }
  }

  /** Drops a user that is older than this version. */
  outdate(id: string, version: number): void {
    if ((this.#entries.peek(id)?.version ?? version) < version) this.#entries.delete(id)
  }

  clear(): void {
    this.#entries.clear()
  }

  /** Frees what is too old to be answered: nobody may ask for it again. */
  purge(): void {
    this.#entries.purgeStale()
  }
}

type Bounds = { lifetimeMs: number; maxBytes: number; maxEntries?: number }

/** About what an entry takes besides its text: key, objects, the cache's own lists. A character takes 2 bytes at most. */
const overheadBytes = 300
