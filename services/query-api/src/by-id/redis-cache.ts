import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { UserReadModel } from '@cqrs/contracts'
import type { Logger } from '@cqrs/service-kit'
import { createClient } from '@redis/client'
import type { ReadyUser } from './user-cache.ts'

/** A user as it was at least as new as `readAt` (of `performance.now`) in this collection. */
export type Loaded = { user: ReadyUser; collection: string; readAt: number }

/**
 * Ready users in Redis, for all processes: the second level of the cache. It is never waited for longer than
 * `answerMs`, nothing fails because of it, and without it everything is only slower.
 *
 * Entries carry their version, and an older one never replaces a newer one. A notice leaves a mark in place of what is
 * older, so that a process which has not heard it yet cannot put that back; the mark holds no personal data. Commands of
 * one connection are done in their order, so what is read after a mark was sent is not older than it. Where a mark may
 * have been lost, nothing is read until all that it should have replaced has expired.
 */
export class RedisCache {
  readonly #client: ReturnType<typeof createClient>
  readonly #lifetimeMs: number
  readonly #marks = new Map<string, number>()
  #outstanding = 0
  #failures = 0
  #silentUntil = 0
  #distrustedUntil = 0

  constructor({ url, lifetimeMs, logger }: { url: string; lifetimeMs: number; logger: Logger }) {
    this.#lifetimeMs = lifetimeMs
    this.#client = createClient({
      url,
      name: 'query-api',
      disableOfflineQueue: true,
      socket: {
        connectTimeout: 1_000,
        reconnectStrategy: (retries) => Math.min(2_000, 50 * 2 ** Math.min(retries, 6)),
      },
    })
    let isAway = false
    this.#client.on('error', (error) => {
      if (!isAway) logger.warn({ err: error }, 'Redis is away')
      isAway = true
    })
    this.#client.on('ready', () => {
      isAway = false
      logger.info('Redis connected')
    })
  }

  start(): void {
    this.#client.connect().catch(() => {}) // it goes on trying; `error` has told
  }

  /** Whether the server is there. */
  get isConnected(): boolean {
    return this.#client.isReady
  }

  /** Whether it is asked at the moment. */
  get isInUse(): boolean {
    return this.#canSend() && performance.now() >= this.#distrustedUntil
  }

  /** Those of the users that it has. Empty where it does not answer in time. */
  async read(ids: string[], collection: string): Promise<Map<string, Loaded>> {
    if (!this.isInUse) return new Map()
    const reading = this.#send(() => this.#client.mGet(ids.map((id) => keyOf(id, collection))))
    const values = await Promise.race([reading, delay(answerMs, undefined, { ref: false })])
    if (values === undefined) {
      this.#failed()
      return new Map()
    }
    this.#failures = 0
    const found = ids.map((id, index): [string, Loaded | undefined] => [id, entryOf(values[index] ?? null, collection)])
    return new Map(found.filter((one): one is [string, Loaded] => one[1] !== undefined))
  }

  /** Keeps what was read from the database. Nobody waits for it. */
  write(users: Map<string, Loaded>, collection: string): void {
    if (!this.isInUse || users.size === 0) return
    const now = performance.now()
    const values = [...users.values()].map(({ user, readAt }) => [
      String(user.version),
      `${user.version}:${Math.round(Date.now() - (now - readAt))}:${user.body ?? ''}`,
    ])
    const keys = [...users.keys()].map((id) => keyOf(id, collection))
    void this.#send(() => this.#replace(keys, 'equal', values.flat()))
  }

  /** There is a newer version: leaves a mark. Those of one turn go together, before anything that is read after them. */
  outdate(id: string, version: number, collection: string): void {
    if (this.#marks.size === 0) queueMicrotask(() => this.#sendMarks())
    this.#marks.set(keyOf(id, collection), version)
  }

  /** Notices may have been missed: reads nothing until all that is there now has expired. */
  distrust(): void {
    this.#distrustedUntil = performance.now() + this.#lifetimeMs
  }

  async close(): Promise<void> {
    if (this.#client.isOpen) this.#client.destroy()
  }

  #sendMarks(): void {
    const keys = [...this.#marks.keys()]
    const values = [...this.#marks.values()].flatMap((version) => [String(version), `${version}?`])
    this.#marks.clear()
    // Also while it is not read: the others read it.
    const canSend = this.#client.isReady && this.#outstanding < maxOutstanding
    const sent = canSend ? this.#send(() => this.#replace(keys, 'older', values)) : Promise.resolve(undefined)
    void sent.then((done) => {
      if (done === undefined) this.distrust()
    })
  }

  #replace(keys: string[], what: 'older' | 'equal', values: string[]): Promise<unknown> {
    return this.#client.eval(replaceOlder, { keys, arguments: [String(this.#lifetimeMs), what, ...values] })
  }

  /** @returns undefined where it failed */
  async #send<Answer>(command: () => Promise<Answer>): Promise<Answer | undefined> {
    this.#outstanding++
    try {
      return await command()
    } catch {
      return undefined
    } finally {
      this.#outstanding--
    }
  }

  /** After some failures in a row it is left alone for a while, so that it costs nobody the time to wait. */
  #failed(): void {
    this.#failures++
    if (this.#failures < 3) return
    this.#failures = 0
    this.#silentUntil = performance.now() + 1_000
  }

  #canSend(): boolean {
    return this.#client.isReady && this.#outstanding < maxOutstanding && performance.now() >= this.#silentUntil
  }
}

/** Longer than Redis takes for 200 keys on a network of its own, and less than the database does. */
const answerMs = 25

/** Commands without an answer yet: a Redis that hangs costs the memory of so many. */
const maxOutstanding = 100

/** Other answers have other keys, so that processes of two releases can share one Redis. */
const shape = createHash('sha256').update(JSON.stringify(UserReadModel)).digest('hex').slice(0, 8)

const keyOf = (id: string, collection: string): string => `${collection}:${shape}:${id}`

/** `<version>:<when it was read>:<the answer, empty for a deleted user>`; a mark is `<version>?`. */
function entryOf(value: string | null, collection: string): Loaded | undefined {
  const [, version, readAt, body] = /^(\d+):(\d+):(.*)$/s.exec(value ?? '') ?? []
  if (version === undefined) return undefined
  return {
    user: { version: Number(version), etag: `"${version}"`, body: body || undefined },
    collection,
    readAt: performance.now() - Math.max(0, Date.now() - Number(readAt)),
  }
}

/** Keys; then the lifetime in ms, whether an equal version is replaced too, and for each key a version and the value. */
const replaceOlder = `
for i, key in ipairs(KEYS) do
  local held = redis.call('GET', key)
  local heldVersion = held and tonumber(string.match(held, '^%d+')) or 0
  local version = tonumber(ARGV[2 * i + 1])
  if version > heldVersion or (version == heldVersion and ARGV[2] == 'equal') then
    redis.call('SET', key, ARGV[2 * i + 2], 'PX', ARGV[1])
  end
end
return 1
`
