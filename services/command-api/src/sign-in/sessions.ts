import { createHash, randomBytes } from 'node:crypto'
import type { RefreshToken } from '@cqrs/contracts'
import type { Collection, Db } from 'mongodb'
import type { User } from '../domain/user.ts'

/**
 * A session: all refresh tokens that come from one login, of which the last one is good. Of tokens only hashes are kept.
 * It holds no personal data but the user's id, and goes with the user.
 */
type Session = {
  /** Hash of the token's first half, which all tokens of the session share. */
  _id: string
  userId: string
  /** The user's version at the login: what revokes the access tokens of that version ends the session, too. */
  userVersion: number
  /** Hash of the token that is good now. */
  tokenHash: string
  previousHash?: string
  rotatedAt: Date
  /** The end, however often it is used. */
  endsAt: Date
  /** The end if it is not used any more. */
  expiresAt: Date
}

export const sessionsCollection = 'sessions'
export const sessionsIndexes = [
  { name: 'user', key: { userId: 1 } },
  { name: 'expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 },
] as const

/** A refresh token that was used, and its successor; or why it was refused. */
export type Rotation =
  | ({ userId: string; userVersion: number } & RefreshToken)
  | { refused: 'refresh-token-reused'; userId: string }
  | { refused: 'refresh-token-unknown' }

/**
 * Refresh tokens (RFC 9700, 4.14.2): each can be used once and is answered with its successor. An older one in use means
 * that two parties hold the session, and nobody knows which one is the thief: the session ends for both.
 *
 * The token that was replaced last is refused for `graceMs` without that: a client that sends it twice at once, or from
 * two windows, is no thief, and one of its requests has got the successor (docs/decisions/0012).
 */
export class Sessions {
  readonly #sessions: Collection<Session>
  readonly #lifetime: { idleSeconds: number; maxSeconds: number }

  constructor(db: Db, lifetime: { idleSeconds: number; maxSeconds: number }) {
    this.#sessions = db.collection(sessionsCollection)
    this.#lifetime = lifetime
  }

  /** A new session of a user that has logged in. */
  async begin({ id, version }: User): Promise<RefreshToken> {
    const { idleSeconds, maxSeconds } = this.#lifetime
    const refreshToken = secret() + secret()
    const now = Date.now()
    const session: Session = {
      _id: hash(familyOf(refreshToken)),
      userId: id,
      userVersion: version,
      tokenHash: hash(refreshToken),
      rotatedAt: new Date(now),
      endsAt: new Date(now + maxSeconds * 1_000),
      expiresAt: new Date(now + Math.min(idleSeconds, maxSeconds) * 1_000),
    }
    await this.#sessions.insertOne(session)
    return { refreshToken, refreshExpiresIn: secondsUntil(session.expiresAt) }
  }

  /** Uses a token up. One atomic step decides, by the database's clock: of many at once one succeeds. */
  async rotate(token: string): Promise<Rotation> {
    const family = hash(familyOf(token))
    const refreshToken = familyOf(token) + secret()
    const idleMs = this.#lifetime.idleSeconds * 1_000
    const session = await this.#sessions.findOneAndUpdate(
      { _id: family, tokenHash: hash(token), $expr: { $gt: ['$expiresAt', '$$NOW'] } },
      [
        {
          $set: {
            tokenHash: { $literal: hash(refreshToken) },
            previousHash: '$tokenHash',
            rotatedAt: '$$NOW',
            expiresAt: { $min: ['$endsAt', { $add: ['$$NOW', idleMs] }] },
          },
        },
      ],
      { returnDocument: 'after' },
    )
    if (!session) return this.#refuse(family, hash(token))
    const { userId, userVersion, expiresAt } = session
    return { userId, userVersion, refreshToken, refreshExpiresIn: secondsUntil(expiresAt) }
  }

  /** Ends the session that a token is of, also where it is not the last one. @returns whose it was, if there was one */
  async end(token: string): Promise<string | undefined> {
    return (await this.#sessions.findOneAndDelete({ _id: hash(familyOf(token)) }))?.userId
  }

  /** Ends every session of a user. */
  async endAllOf(userId: string): Promise<void> {
    await this.#sessions.deleteMany({ userId })
  }

  /** Whoever knows the first half has had a token of this session, so an older one is in use again. */
  async #refuse(family: string, tokenHash: string): Promise<Rotation> {
    const isPrevious = { $eq: ['$previousHash', { $literal: tokenHash }] }
    const wasJustReplaced = { $gt: ['$rotatedAt', { $subtract: ['$$NOW', graceMs] }] }
    const reused = await this.#sessions.findOneAndDelete({
      _id: family,
      tokenHash: { $ne: tokenHash },
      $expr: { $not: [{ $and: [isPrevious, wasJustReplaced] }] },
    })
    return reused ? { refused: 'refresh-token-reused', userId: reused.userId } : { refused: 'refresh-token-unknown' }
  }
}

/** 256 bits, in 43 characters. */
const secret = (): string => randomBytes(32).toString('base64url')
const familyOf = (token: string): string => token.slice(0, 43)
/** Not a slow one: nobody guesses 256 random bits. */
const hash = (text: string): string => createHash('sha256').update(text).digest('base64url')
const secondsUntil = (time: Date): number => Math.max(0, Math.round((time.getTime() - Date.now()) / 1_000))

/** Long enough for a second click and for a request that is sent again, short for a thief. */
const graceMs = 10_000
