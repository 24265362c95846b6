import { createHash, randomBytes } from 'node:crypto'
import type { RefreshToken } from '@cqrs/contracts'
import { inMs, linearizable } from '@cqrs/service-kit'
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
  /** The second half of the valid token, encrypted with the previous token. */
  sealed?: string
  /** All times are the database's. */
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
 * For `graceMs` the token that was replaced last gets its successor again, as long as that was not used: a client that
 * sends it twice, or did not get the answer, is no thief (docs/decisions/0012).
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
    const refreshExpiresIn = Math.min(idleSeconds, maxSeconds)
    const session = {
      userId: id,
      userVersion: version,
      tokenHash: { $literal: hash(refreshToken) },
      rotatedAt: '$$NOW',
      endsAt: inMs(maxSeconds * 1_000),
      expiresAt: inMs(refreshExpiresIn * 1_000),
    }
    await this.#sessions.updateOne({ _id: hash(familyOf(refreshToken)) }, [{ $set: session }], { upsert: true })
    return { refreshToken, refreshExpiresIn }
  }

  /** Replaces a token. One atomic step decides, by the database's clock: concurrent calls get the same successor. */
  async rotate(token: string): Promise<Rotation> {
    const family = hash(familyOf(token))
    // Fails without a majority: a rotation that only one server has would age, and its token with it.
    await this.#sessions.findOne({ _id: family }, linearizable)
    const successor = secret()
    const idleMs = this.#lifetime.idleSeconds * 1_000
    const session = await this.#sessions.findOneAndUpdate(
      { _id: family, tokenHash: hash(token), ...isLive },
      [
        {
          $set: {
            tokenHash: { $literal: hash(familyOf(token) + successor) },
            previousHash: '$tokenHash',
            sealed: { $literal: seal(successor, token) },
            rotatedAt: '$$NOW',
            expiresAt: { $min: ['$endsAt', inMs(idleMs)] },
          },
        },
      ],
      { returnDocument: 'after' },
    )
    return session ? successorOf(token, session) : this.#repeat(token)
  }

  /**
   * Ends the session of a token, valid or replaced. That there was none is confirmed as well.
   * @returns the id of its user, if there was a session
   */
  async end(token: string): Promise<string | undefined> {
    const session = { _id: hash(familyOf(token)) }
    const ended = await this.#sessions.findOneAndDelete(session)
    if (!ended && (await this.#sessions.findOne(session, linearizable))) return this.end(token)
    return ended?.userId
  }

  /** Ends every session of a user. */
  async endAllOf(userId: string): Promise<void> {
    await this.#sessions.deleteMany({ userId })
  }

  /**
   * Answers a token that was just replaced, and ends the session of any other that is not valid: the first half is
   * known only from a token of this session, so an older token is in use again.
   */
  async #repeat(token: string): Promise<Rotation> {
    const family = { _id: hash(familyOf(token)) }
    const tokenHash = hash(token)
    const justReplaced = { previousHash: tokenHash, $expr: { $gt: ['$rotatedAt', inMs(-graceMs)] } }
    const session = await this.#sessions.findOne({ ...family, $and: [justReplaced, isLive] })
    if (session) return successorOf(token, session)
    const reused = await this.#sessions.findOneAndDelete({ ...family, tokenHash: { $ne: tokenHash } })
    return reused ? { refused: 'refresh-token-reused', userId: reused.userId } : { refused: 'refresh-token-unknown' }
  }
}

/** What a rotation answers. */
function successorOf(token: string, session: Session): Rotation {
  const { userId, userVersion, sealed = '', rotatedAt, expiresAt } = session
  const refreshExpiresIn = Math.round((expiresAt.getTime() - rotatedAt.getTime()) / 1_000)
  return { userId, userVersion, refreshToken: familyOf(token) + seal(sealed, token), refreshExpiresIn }
}

const isLive = { $expr: { $gt: ['$expiresAt', '$$NOW'] } }

/** 256 bits, in 43 characters. */
const secret = (): string => randomBytes(32).toString('base64url')
const familyOf = (token: string): string => token.slice(0, 43)
/** A fast hash is enough: 256 random bits cannot be guessed. */
const hash = (text: string): string => createHash('sha256').update(text).digest('base64url')
/**
 * Encrypts the second half of a successor with the token that it replaces, or decrypts it: who reads the database has
 * neither. A one-time pad, since a token has one successor, and its hash with another prefix is used for nothing else.
 */
function seal(half: string, token: string): string {
  const pad = createHash('sha256').update(`successor of ${token}`).digest()
  const bytes = Buffer.from(half, 'base64url')
  return Buffer.from(bytes.map((byte, at) => byte ^ (pad[at] ?? 0))).toString('base64url')
}

/** Longer than a failover and the time-out of a request. */
const graceMs = 30_000
