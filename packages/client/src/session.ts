import { ProblemError } from './errors.ts'
import { type Message, unlessAborted } from './repeat.ts'

/** What keeps a session, by key: `localStorage`, `sessionStorage`, or something that answers with promises. */
export type SessionStorage = {
  getItem(key: string): string | null | Promise<string | null>
  setItem(key: string, value: string): unknown
  removeItem(key: string): unknown
}

/** The answer of a login or a refresh. */
export type TokenAnswer = { accessToken: string; expiresIn: number; refreshToken: string }

type Tokens = { accessToken: string; refreshToken: string; expiresAt: number }

export type SessionParts = {
  storage: SessionStorage
  /** Gets new tokens for a refresh token, and repeats the same request until its outcome is known. */
  refresh(refreshToken: string): Promise<TokenAnswer>
  onEnd(reason: ProblemError): void
}

/**
 * The tokens of who is logged in. They are read from the storage each time, because other tabs share it.
 *
 * A refresh token works once, so requests that find their access token expired share one refresh.
 */
export class Session {
  readonly #parts: SessionParts
  #renewal: Promise<Tokens | undefined> | undefined

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /**
   * Sends a message with the access token. After 401, and before that if the token is known to have expired, once with
   * a new one. Never as somebody else, who has logged in since.
   */
  async send(message: Message, send: (message: Message) => Promise<Response>, signal?: AbortSignal): Promise<Response> {
    const sendAs = (tokens: Tokens | undefined) => {
      const headers = new Headers(message.headers)
      if (tokens) headers.set('authorization', `Bearer ${tokens.accessToken}`)
      return send({ ...message, headers })
    }
    const renewed = async (old: Tokens) => {
      const tokens = await this.renew(old.accessToken, signal)
      return tokens && subjectOf(tokens) === subjectOf(old) ? tokens : undefined
    }
    const tokens = await this.#load()
    if (!tokens) return await sendAs(tokens)
    if (tokens.expiresAt <= Date.now()) return await sendAs(await renewed(tokens))
    try {
      return await sendAs(tokens)
    } catch (error) {
      const next = error instanceof ProblemError && error.status === 401 ? await renewed(tokens) : undefined
      if (!next) throw error
      return await sendAs(next)
    }
  }

  /**
   * Replaces the tokens, unless another request or tab has done so since.
   * @param used the access token that is to be replaced; by default the one of now
   * @returns undefined if nobody is logged in any more
   */
  renew(used?: string, signal?: AbortSignal): Promise<Tokens | undefined> {
    this.#renewal ??= this.#renew(used).finally(() => {
      this.#renewal = undefined
    })
    // Others wait for the same refresh, so an abort ends only the wait.
    return unlessAborted(this.#renewal, signal)
  }

  async #renew(used: string | undefined): Promise<Tokens | undefined> {
    const before = await this.#load()
    if (!before || (used && used !== before.accessToken)) return before
    const answer = await this.#parts.refresh(before.refreshToken).catch((error: unknown) => error as Error)
    const now = await this.#load()
    // Somebody has logged out or in, or another tab has refreshed.
    if (now?.refreshToken !== before.refreshToken) return now
    if (!(answer instanceof Error)) return await this.begin(answer)
    if (answer instanceof ProblemError && answer.code === 'refresh-token-invalid') {
      await this.end()
      this.#parts.onEnd(answer)
    }
    throw answer
  }

  /** Keeps the tokens of a login or a refresh. */
  async begin({ accessToken, refreshToken, expiresIn }: TokenAnswer): Promise<Tokens> {
    const tokens = { accessToken, refreshToken, expiresAt: Date.now() + expiresIn * 1_000 }
    await this.#parts.storage.setItem(sessionKey, JSON.stringify(tokens))
    return tokens
  }

  /** Forgets the tokens. @returns the refresh token, if there was a session */
  async end(): Promise<string | undefined> {
    const tokens = await this.#load()
    await this.#parts.storage.removeItem(sessionKey)
    return tokens?.refreshToken
  }

  /** The id of who is logged in, which the access token names; undefined if nobody is. */
  async userId(): Promise<string | undefined> {
    const tokens = await this.#load()
    return tokens && subjectOf(tokens)
  }

  /** It outlives a session. */
  async deviceToken(): Promise<string | undefined> {
    return (await this.#parts.storage.getItem(deviceKey)) ?? undefined
  }

  async keepDeviceToken(token: string): Promise<void> {
    await this.#parts.storage.setItem(deviceKey, token)
  }

  async #load(): Promise<Tokens | undefined> {
    const text = await this.#parts.storage.getItem(sessionKey)
    return text === null ? undefined : JSON.parse(text)
  }
}

/** The user whom an access token (JWT, RFC 9068) names. */
function subjectOf({ accessToken }: Tokens): string {
  const [, claims = ''] = accessToken.split('.')
  return JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).sub
}

const sessionKey = '@cqrs/client session'
const deviceKey = '@cqrs/client device'

/** Keeps a session as long as the client. */
export function memoryStorage(): SessionStorage {
  const items = new Map<string, string>()
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  }
}
