import { maxAccessTokenLifetimeSeconds, Refusal } from '@cqrs/contracts'
import { type Caller, type Logger, pause } from '@cqrs/service-kit'
import type { UserReadRepository } from './read-store/user-read-repository.ts'

/**
 * The users whose access tokens were revoked recently, in memory, so that a revoked token is refused without a look-up.
 *
 * Notices deliver a revocation within milliseconds. The list is also read from `users_read`, in case notices are
 * missed: at startup, when NATS reconnects, every second while NATS is unavailable, and every ten seconds in any case.
 * An entry is kept until the last token from before the revocation has expired, so the list holds about an hour of
 * revocations.
 */
export class RevocationList {
  readonly #options: Options
  #revoked = new Map<string, Revoked>()
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined
  #wake = new AbortController()
  #loading: Promise<void> | undefined
  /** Time of the last load (`performance.now`), undefined before the first. */
  #loadedAt: number | undefined
  #isStale = true
  #isFailing = false

  constructor(options: Options) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#keepCurrent()
  }

  /**
   * Resolves when the list has been loaded once. Until then no token can be trusted.
   * @throws the driver's error if the first load fails
   */
  async loaded(): Promise<void> {
    if (this.#loadedAt === undefined) await this.#load()
  }

  /** The number of users in the list. */
  get size(): number {
    return this.#revoked.size
  }

  /**
   * Returns the caller if the token is not revoked.
   * @throws Refusal `token-revoked`, or the driver's error if the list has never been loaded and cannot be now
   */
  async admit(caller: Caller): Promise<Caller> {
    await this.loaded()
    const revoked = this.#revoked.get(caller.id)
    if (revoked && caller.version < revoked.tokensFromVersion) throw new Refusal('token-revoked')
    return caller
  }

  /** Adds the revocation of a notice. Notices may be repeated and arrive in any order. */
  hear(id: string, tokensFromVersion: number): void {
    remember(this.#revoked, id, { tokensFromVersion, until: Date.now() + rememberedMs, heardAt: performance.now() })
  }

  /** Reloads the list in the background, because notices may have been missed. */
  reload(): void {
    this.#isStale = true
    this.#wake.abort()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #keepCurrent(): Promise<void> {
    const { isNatsUp, logger } = this.#options
    while (!this.#closing.signal.aborted) {
      this.#wake = new AbortController()
      const ageMs = performance.now() - (this.#loadedAt ?? 0)
      try {
        if (this.#isStale || ageMs > reloadEveryMs || !isNatsUp()) await this.#load()
        this.#isFailing = false
      } catch (error) {
        if (!this.#isFailing) logger.warn({ err: error }, 'cannot load revoked tokens; known revocations still apply')
        this.#isFailing = true
      }
      await pause(checkEveryMs, AbortSignal.any([this.#closing.signal, this.#wake.signal]))
    }
  }

  #load(): Promise<void> {
    // A load in progress may have begun before the change that the caller needs to see.
    const before = this.#isStale ? this.#loading : undefined
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined
    })
    return before ? before.then(() => this.#load()) : this.#loading
  }

  /**
   * What is loaded replaces what was known: after a restore, users are revoked at other versions or not at all. What
   * notices said just now is kept, because the member of the database that answers may not have it yet.
   */
  async #read(): Promise<void> {
    this.#isStale = false
    const now = Date.now()
    const current = new Map<string, Revoked>()
    try {
      const revoked = await this.#options.users.revokedWithin(rememberedMs)
      for (const { id, tokensFromVersion, ageMs } of revoked.filter(({ ageMs }) => ageMs < rememberedMs))
        remember(current, id, { tokensFromVersion, until: now + rememberedMs - ageMs, heardAt: -keptMs })
    } catch (error) {
      this.#isStale = true
      throw error
    }
    const keptSince = performance.now() - keptMs
    for (const [id, known] of this.#revoked)
      if (known.heardAt > keptSince && known.until >= now) remember(current, id, known)
    this.#revoked = current
    this.#loadedAt = performance.now()
  }
}

/** `until` is by the clock, `heardAt`, the time of the last notice, by `performance.now`. */
type Revoked = { tokensFromVersion: number; until: number; heardAt: number }

function remember(list: Map<string, Revoked>, id: string, revoked: Revoked): void {
  const known = list.get(id) ?? revoked
  list.set(id, {
    tokensFromVersion: Math.max(revoked.tokensFromVersion, known.tokensFromVersion),
    until: Math.max(revoked.until, known.until),
    heardAt: Math.max(revoked.heardAt, known.heardAt),
  })
}

type Options = { users: Pick<UserReadRepository, 'revokedWithin'>; isNatsUp: () => boolean; logger: Logger }

/** The longest lifetime of a token, plus five minutes for a login in progress and for clocks that differ. */
const rememberedMs = (maxAccessTokenLifetimeSeconds + 300) * 1_000
/** Longer than a member of the database lags behind in operation. */
const keptMs = 30_000
const checkEveryMs = 1_000
/** Also while NATS is connected: the projector may have lost its own connection, and the notice with it. */
const reloadEveryMs = 10_000
