import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { consistencyToken, UserReadModel } from '@cqrs/contracts'
import { Counter, type Logger } from '@cqrs/service-kit'
import { createClient } from '@redis/client'
import type { ReadyUser } from './user-cache.ts'

/** A user as read at `readAt` (`performance.now`) or later. */
export type Loaded = { user: ReadyUser; readAt: number }

/**
 * Serialised users in Redis, shared by all processes: the second level of the cache. A read waits at most `answerMs`,
 * and a failure of Redis makes look-ups slower and never fails them.
 *
 * Entries carry their version, and an older version never replaces a newer one. A notice replaces older entries with a
 * mark, so that a process that has not received the notice cannot store them again. A mark holds no personal data.
 * Redis executes the commands of a connection in order, so a read after a mark never returns an older entry. If a mark
 * may have been lost, this process reads nothing until every entry that it should have replaced has expired.
 */
export class RedisCache {
  /** Why it is not connected. */
  reasons: string[] = []
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
    this.#client.on('error', (error) => {
      if (this.reasons.length === 0) logger.warn({ err: error }, 'Redis is unavailable')
      this.reasons = [`Redis is unavailable: ${error.code ?? error.message}`]
    })
    this.#client.on('ready', () => {
      this.reasons = []
      logger.info('Redis connected')
    })
  }

  start(): void {
    // The client keeps retrying, and its `error` event has reported the failure.
    this.#client.connect().catch(() => {})
  }

  get isConnected(): boolean {
    return this.#client.isReady
  }

  /** Whether look-ups currently read it. */
  get isInUse(): boolean {
    return this.#canSend() && performance.now() >= this.#distrustedUntil
  }

  /** Returns the users that are stored; none if Redis does not answer within `answerMs`. */
  async read(ids: string[], database: string): Promise<Map<string, Loaded>> {
    if (!this.isInUse) return new Map()
    const reading = this.#send(() => this.#client.mGet(ids.map((id) => keyOf(id, database))))
    const values = await Promise.race([reading, delay(answerMs, undefined, { ref: false })])
    if (values === undefined) {
      operations.inc({ outcome: 'error' }, ids.length)
      this.#countFailure()
      return new Map()
    }
    this.#failures = 0
    const found = ids.map((id, index): [string, Loaded | undefined] => [id, entryOf(values[index] ?? null, database)])
    const hits = found.filter((one): one is [string, Loaded] => one[1] !== undefined)
    operations.inc({ outcome: 'hit' }, hits.length)
    operations.inc({ outcome: 'miss' }, ids.length - hits.length)
    return new Map(hits)
  }

  /** Stores users that were read from the database, in the background. */
  write(users: Map<string, Loaded>, database: string): void {
    if (!this.isInUse || users.size === 0) return
    const now = performance.now()
    const values = [...users.values()].map(({ user, readAt }) => [
      String(user.version),
      `${user.version}:${Math.round(Date.now() - (now - readAt))}:${user.time}:${user.body ?? ''}`,
    ])
    const keys = [...users.keys()].map((id) => keyOf(id, database))
    void this.#send(() => this.#replace(keys, 'equal', values.flat()))
  }

  /** Marks older entries as outdated. The marks of one turn are sent together, before any later read. */
  outdate(id: string, version: number, database: string): void {
    if (this.#marks.size === 0) queueMicrotask(() => this.#sendMarks())
    this.#marks.set(keyOf(id, database), version)
  }

  /** Stops reading until every current entry has expired, because notices may have been missed. */
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
    // Also while this process does not read Redis, because other processes do.
    const canSend = this.#client.isReady && this.#outstanding < maxOutstanding
    const sent = canSend ? this.#send(() => this.#replace(keys, 'older', values)) : Promise.resolve(undefined)
    void sent.then((done) => {
      if (done === undefined) this.distrust()
    })
  }

  #replace(keys: string[], what: 'older' | 'equal', values: string[]): Promise<unknown> {
    return this.#client.eval(replaceOlder, { keys, arguments: [String(this.#lifetimeMs), what, ...values] })
  }

  /** @returns undefined if the command failed */
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

  /** After three failures in a row, reads skip Redis for a second instead of waiting for it. */
  #countFailure(): void {
    this.#failures++
    if (this.#failures < 3) return
    this.#failures = 0
    this.#silentUntil = performance.now() + 1_000
  }

  #canSend(): boolean {
    return this.#client.isReady && this.#outstanding < maxOutstanding && performance.now() >= this.#silentUntil
  }
}

const operations = new Counter({
  name: 'redis_operations_total',
  help: 'Users looked up in Redis; while it is unavailable none are',
  labelNames: ['outcome'],
})
for (const outcome of ['hit', 'miss', 'error']) operations.inc({ outcome }, 0)

/** Longer than Redis takes for 200 keys on a local network, and shorter than the database takes. */
const answerMs = 25

/** Commands in flight. Bounds the memory that an unresponsive Redis costs. */
const maxOutstanding = 100

/** Part of every key, so that releases with different responses can share one Redis. */
const shape = createHash('sha256').update(JSON.stringify(UserReadModel)).digest('hex').slice(0, 8)

/** The same user of another read database is another key. */
const keyOf = (id: string, database: string): string => `users:${shape}:${database}:${id}`

/**
 * Parses `<version>:<when it was read>:<time of the read database>:<body, empty for a deleted user>`. A mark is
 * `<version>?`.
 */
function entryOf(value: string | null, database: string): Loaded | undefined {
  const [, version, readAt, time, body] = /^(\d+):(\d+):(\d+):(.*)$/s.exec(value ?? '') ?? []
  if (version === undefined || time === undefined) return undefined
  const token = consistencyToken({ users: [], database, time })
  return {
    user: { version: Number(version), etag: `"${version}"`, body: body || undefined, time: BigInt(time), token },
    readAt: performance.now() - Math.max(0, Date.now() - Number(readAt)),
  }
}

/** Arguments: lifetime in ms, whether equal versions are replaced (`equal`), and for each key a version and a value. */
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
