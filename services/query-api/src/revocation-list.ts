import { maxAccessTokenLifetimeSeconds, Refusal } from '@cqrs/contracts'
import { type Caller, type Logger, pause } from '@cqrs/service-kit'
import type { UserReadRepository } from './read-store/user-read-repository.ts'

/**
 * The users of whom access tokens were revoked lately, in memory, so that a dead token is refused without a look-up.
 *
 * Notices bring a revocation within milliseconds. What they miss is read from `users_read`: at the start, whenever NATS
 * comes back, once a second while it is away, and every ten seconds in any case. A user is remembered for as long as a
 * token from before the revocation can live, so the list stays as small as an hour's revocations.
 */
export class RevocationList {
  readonly #options: Options
  readonly #dead = new Map<string, { tokensFromVersion: number; until: number }>()
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined
  #wake = new AbortController()
  #loading: Promise<void> | undefined
  /** Of `performance.now`; undefined until the list was first loaded. */
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
   * Returns when it was loaded once. Until then no token can be trusted.
   * @throws the driver's error where it cannot be loaded now
   */
  async loaded(): Promise<void> {
    if (this.#loadedAt === undefined) await this.#load()
  }

  /** How many users it remembers. */
  get size(): number {
    return this.#dead.size
  }

  /**
   * Lets a caller through whose token is not revoked.
   * @throws Refusal `token-revoked`; the driver's error where the list cannot be loaded for the first time
   */
  async admit(caller: Caller): Promise<Caller> {
    await this.loaded()
    const dead = this.#dead.get(caller.id)
    if (dead && caller.version < dead.tokensFromVersion) throw new Refusal('token-revoked')
    return caller
  }

  /** Takes in what a notice says of a user. Notices may come twice and in any order. */
  hear(id: string, tokensFromVersion: number): void {
    this.#remember(id, tokensFromVersion, Date.now() + rememberedMs)
  }

  /** Reads the list anew, in the background: notices may have been missed. */
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
        if (this.#isStale || ageMs > readAnewMs || !isNatsUp()) await this.#load()
        this.#isFailing = false
      } catch (error) {
        if (!this.#isFailing)
          logger.warn({ err: error }, 'revoked tokens cannot be looked up; those known stay refused')
        this.#isFailing = true
      }
      await pause(lookEveryMs, AbortSignal.any([this.#closing.signal, this.#wake.signal]))
    }
  }

  #load(): Promise<void> {
    // One that is under way may have begun before what the caller wants to see.
    const before = this.#isStale ? this.#loading : undefined
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined
    })
    return before ? before.then(() => this.#load()) : this.#loading
  }

  async #read(): Promise<void> {
    this.#isStale = false
    const now = Date.now()
    try {
      const revoked = await this.#options.users.revokedSince(new Date(now - rememberedMs))
      for (const { id, tokensFromVersion, at } of revoked)
        this.#remember(id, tokensFromVersion, at.getTime() + rememberedMs)
    } catch (error) {
      this.#isStale = true
      throw error
    }
    for (const [id, { until }] of this.#dead) if (until < now) this.#dead.delete(id)
    this.#loadedAt = performance.now()
  }

  #remember(id: string, tokensFromVersion: number, until: number): void {
    const known = this.#dead.get(id)
    this.#dead.set(id, {
      tokensFromVersion: Math.max(tokensFromVersion, known?.tokensFromVersion ?? 0),
      until: Math.max(until, known?.until ?? 0),
    })
  }
}

type Options = { users: Pick<UserReadRepository, 'revokedSince'>; isNatsUp: () => boolean; logger: Logger }

/** The longest life of a token, and five minutes for a login that was under way and for clocks that differ. */
const rememberedMs = (maxAccessTokenLifetimeSeconds + 300) * 1_000
const lookEveryMs = 1_000
/** Although NATS is there: the projector may have been cut off from it just then, and its notice lost. */
const readAnewMs = 10_000
