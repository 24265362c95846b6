import { createHash, randomBytes } from 'node:crypto'
import type { RefreshToken } from '@cqrs/contracts'
import type { Collection, Db } from 'mongodb'
import type { User } from '../domain/user.ts'

/**
 * A session: the chain of refresh tokens of one login, of which the last one is valid. Only hashes of tokens are
 * stored. It holds no personal data except the user's id, and is deleted with the user.
 */
type Session = {
  /** Hash of the first half of the token, which all tokens of the session share. */
  _id: string
  userId: string
  /** The user's version at the login: revoking the access tokens of that version ends the session as well. */
  userVersion: number
  /** Hash of the valid token. */
  tokenHash: string
  previousHash?: string
  rotatedAt: Date
  /** The end, even if it is used. */
  endsAt: Date
  /** The end if it is not used. */
  expiresAt: Date
}

export const sessionsCollection = 'sessions'
export const sessionsIndexes = [
  { name: 'user', key: { userId: 1 } },
  { name: 'expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 },
] as const

/** The successor of a refresh token, or the reason of the refusal. */
export type Rotation =
  | ({ userId: string; userVersion: number } & RefreshToken)
  | { refused: 'refresh-token-reused'; userId: string }
  | { refused: 'refresh-token-unknown' }

/**
 * Refresh tokens with rotation (RFC 9700, 4.14.2): each can be used once and is replaced by its successor. The use of
 * an older one means that two parties hold the session. Which one is the thief is unknown, so the session ends for
 * both.
 *
 * For `graceMs` the token that was replaced last is only refused: a client that sends it twice, for example from two
 * windows, is no thief, and one of its requests got the successor (docs/decisions/0012).
 */
export class Sessions {
  readonly #sessions: Collection<Session>
  readonly #lifetime: { idleSeconds: number; maxSeconds: number }

  constructor(db: Db, lifetime: { idleSeconds: number; maxSeconds: number }) {
    this.#sessions = db.collection(sessionsCollection)
    this.#lifetime = lifetime
  }

  /** Begins the session of a login. */
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

  /** Replaces a token. One atomic step decides, by the database's clock: one of many concurrent calls succeeds. */
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

  /** Ends the session of a token, valid or replaced. @returns the id of its user, if there was a session */
  async end(token: string): Promise<string | undefined> {
    return (await this.#sessions.findOneAndDelete({ _id: hash(familyOf(token)) }))?.userId
  }

  /** Ends every session of a user. */
  async endAllOf(userId: string): Promise<void> {
    await this.#sessions.deleteMany({ userId })
  }

  /** The first half is known only from a token of this session, so an older token is in use again. */
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
/** A fast hash is enough: 256 random bits cannot be guessed. */
const hash = (text: string): string => createHash('sha256').update(text).digest('base64url')
const secondsUntil = (time: Date): number => Math.max(0, Math.round((time.getTime() - Date.now()) / 1_000))

/** Long enough for a double click or a retried request, and short for a thief. */
const graceMs = 10_000
