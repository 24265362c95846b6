import { gauges } from '@cqrs/service-kit'
import { LRUCache } from 'lru-cache'

/**
 * A serialised user, the time of the read database that it was read at, and the consistency token with that time. A
 * deleted user has no body, so no personal data is kept, and an unknown one has version 0.
 */
export type ReadyUser = { version: number; etag: string; body: string | undefined; time: bigint; token: string }

/** An LRU cache of serialised users in the memory of the process. */
export class UserCache {
  readonly #entries: LRUCache<string, ReadyUser>
  readonly #lifetimeMs: number

  /** @param lifetimeMs maximum age of an entry, counted from the read of the database; 0 disables the cache */
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

  /** The estimated memory of all entries; at most `maxBytes`. */
  get bytes(): number {
    return this.#entries.calculatedSize
  }

  get(id: string): ReadyUser | undefined {
    return this.#entries.get(id)
  }

  /** Stores a user that was read `ageMs` ago, unless a newer version is stored. */
  put(id: string, user: ReadyUser, ageMs: number): void {
    if (ageMs >= this.#lifetimeMs) return
    if (user.version >= (this.#entries.peek(id)?.version ?? 0)) {
      this.#entries.set(id, user, { ttl: this.#lifetimeMs - ageMs })
    }
  }

  /** Drops the user if the stored version is older than this one. */
  outdate(id: string, version: number): void {
    if ((this.#entries.peek(id)?.version ?? version) < version) this.#entries.delete(id)
  }

  clear(): void {
    this.#entries.clear()
  }

  /** Frees expired entries. The LRU cache itself drops them only when they are requested. */
  purge(): void {
    this.#entries.purgeStale()
  }
}

export const measureCache = gauges(
  {
    query_user_cache_entries: 'Users in memory',
    query_user_cache_bytes: 'Estimated size of the users in memory, bounded by CACHE_MAX_MIB',
  },
  ({ size, bytes }: UserCache) => ({ query_user_cache_entries: size, query_user_cache_bytes: bytes }),
)

type Bounds = { lifetimeMs: number; maxBytes: number; maxEntries?: number }

/** Estimated memory of an entry without its body: key, objects, token and lists. A character takes up to 2 bytes. */
const overheadBytes = 500
