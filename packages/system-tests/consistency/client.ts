import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Kind, Outcome } from '@cqrs/checker'
import { readConsistencyToken } from '@cqrs/contracts'
import type { Random } from '../faults/random.ts'
import type { People, Person, Session } from './people.ts'
import { digest, type Line, type Recorder } from './recorder.ts'

export type ClientOptions = {
  name: string
  recorder: Recorder
  people: People
  random: Random
  commandApis: readonly string[]
  queryApis: readonly string[]
  /** Of an admin, valid for the whole run. */
  adminToken: string
  /** How long it waits for an answer, in milliseconds. */
  patienceMs: number
  /** The share of queries, from 0 to 1. */
  queries: number
}

/** A word in every name, so that a search for it has everybody. */
export const everybody = 'contended'

/** A request, and what a history says of it. */
type Request = {
  kind: Kind
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  says: Line
  body?: object
  headers?: Record<string, string>
  /** Sent with this token instead of the admin's. */
  access?: string | undefined
  /** Whether it is sent again after an unknown outcome: a method that is idempotent, or a key (RFC 9110, 9.2.2). */
  isRepeatable?: boolean
}

/** A request with a key, the number of its first, and when it is sent again. */
type Again = { request: Request; retryOf: unknown; at: number }

type Answer = { status: number; headers: Headers; body: Body | undefined }
type Body = Partial<Shown & Tokens> & { code?: string; data?: Shown[]; pagination?: { nextCursor: string | null } }
type Shown = {
  id: string
  version: number
  email: string
  name: string
  roles: string[]
  isActive: boolean
  createdAt: string
  updatedAt: string
}
type Tokens = { accessToken: string; refreshToken: string }
type Result = { outcome: Outcome; answer: Answer | undefined; line: Line }

/**
 * An ordinary HTTP client: one request after the other, with the consistency tokens of what it was told. It repeats
 * what it may repeat, and every request and answer of it is recorded.
 */
export class Client {
  readonly #options: ClientOptions
  /** What the next query sends. */
  #tokens: string[] = []
  #session: Session | undefined
  /** Sessions that it has left, for two minutes: what a revocation must have ended. */
  #left: Session[] = []
  /** What it will send again, as one that lost the answer does. */
  #again: Again[] = []
  readonly #etags = new Map<string, string>()

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** Looks up a user that is at least at this version. */
  async see(id: string, version: number): Promise<void> {
    await this.#repeated({
      ...{ kind: 'get', method: 'GET', path: `/api/v1/users/${id}`, isRepeatable: true },
      headers: { 'x-min-version': String(version) },
      says: { user: id, minVersion: version },
    })
  }

  /** Looks at everybody, in every form that there is for it. */
  async seeAll(): Promise<void> {
    for (const kind of ['list', 'search', 'directory', 'by-role'] as const) await this.#query(kind)
  }

  /** One operation of a kind that chance chooses. */
  async act(): Promise<void> {
    const { random, queries, people } = this.#options
    const due = this.#again.findIndex(({ at }) => at <= performance.now())
    const [again] = due < 0 ? [] : this.#again.splice(due, 1)
    if (again) {
      const { request, retryOf } = again
      return void (await this.#asked({ ...request, says: { ...request.says, retryOf } }))
    }
    const choice = random.chance(queries) ? this.#query(pick(random, reading)) : this.#command(pick(random, changing))
    // At first there is nobody.
    await (choice ?? (people.living.length < 5 ? this.#register() : this.#list()))
  }

  #command(kind: (typeof changing)[number][0]): Promise<void> | undefined {
    const { random, people } = this.#options
    if (kind === 'register')
      return people.living.length < 80 ? this.#register() : this.#delete(random.oneOf(people.living))
    if (kind === 'refresh' || kind === 'logout-all' || kind === 'logout' || kind === 'password') {
      const session = this.#someSession()
      if (!session) return undefined
      return kind === 'password' ? this.#changePassword(session) : this.#ofSession(kind, session)
    }
    const person = random.chance(0.03) ? people.gone() : people.anybody()
    if (!person) return undefined
    // Sometimes itself.
    const own = kind === 'change' && random.chance(0.2) ? this.#someSession() : undefined
    if (own) return this.#change(own.person, own.access)
    if (kind === 'change') return this.#change(person)
    if (kind === 'delete') return this.#delete(person)
    if (kind === 'login') return this.#logIn(person)
    return this.#activate(kind, person)
  }

  #query(kind: (typeof reading)[number][0]): Promise<void> | undefined {
    const { random, people } = this.#options
    if (kind === 'list') return this.#list()
    if (kind === 'search') return this.#page('search', `/api/v1/users?q=${everybody}&limit=100`)
    if (kind === 'directory') return this.#page('directory', `/api/v1/directory/users?word=${everybody}&limit=100`)
    if (kind === 'stats')
      return this.#asked({ kind, method: 'GET', path: '/api/v1/stats/users', says: {} }).then(() => {})
    if (kind === 'by-role') {
      const role = random.oneOf(['seller', 'admin'])
      return this.#page(kind, `/api/v1/users/by-role/${role}?limit=100`, { role })
    }
    const person = random.chance(0.05) ? people.gone() : people.anybody()
    return person && this.#get(person)
  }

  async #register(): Promise<void> {
    const { random, people } = this.#options
    const email = people.address()
    const password = `password ${random.between(1, 1e9)}`
    const name = nameFrom(random)
    const roles = random.oneOf([['buyer'], ['seller'], ['buyer', 'seller']])
    const key = random.chance(0.7) ? randomUUID() : undefined
    const { answer, outcome } = await this.#repeated({
      ...{ kind: 'register', method: 'POST', path: '/api/v1/auth/register', body: { email, password, name, roles } },
      ...(key && { headers: { 'idempotency-key': `"${key}"` }, isRepeatable: true }),
      says: { email, name, roles, password: digest(password), ...(key && { key: digest(`anybody ${key}`) }) },
    })
    const { id, version } = answer?.body ?? {}
    if (outcome === 'ok' && id && version) people.born({ id, email, passwords: [password], version })
  }

  async #change(person: Person, access?: string): Promise<void> {
    const { random } = this.#options
    const body = { name: nameFrom(random), roles: random.oneOf([['buyer'], ['seller'], ['buyer', 'seller']]) }
    const ifMatch = random.chance(0.3) ? person.version : undefined
    const key = random.chance(0.3) ? randomUUID() : undefined
    await this.#repeated({
      ...{ kind: 'change', method: 'PUT', path: `/api/v1/users/${person.id}`, body, isRepeatable: true },
      access,
      headers: { ...(ifMatch && { 'if-match': `"${ifMatch}"` }), ...(key && { 'idempotency-key': `"${key}"` }) },
      says: {
        user: person.id,
        ...body,
        ...(ifMatch && { ifMatch }),
        ...(key && { key: digest(`${access ? person.id : 'admin'} ${key}`) }),
      },
    })
  }

  async #activate(kind: 'activate' | 'deactivate', { id }: Person): Promise<void> {
    const path = `/api/v1/users/${id}/${kind}`
    await this.#repeated({ kind, method: 'POST', path, says: { user: id }, isRepeatable: true })
  }

  async #delete(person: Person): Promise<void> {
    const ifMatch = this.#options.random.chance(0.3) ? person.version : undefined
    const { outcome, answer } = await this.#repeated({
      ...{ kind: 'delete', method: 'DELETE', path: `/api/v1/users/${person.id}`, isRepeatable: true },
      headers: { ...(ifMatch && { 'if-match': `"${ifMatch}"` }) },
      says: { user: person.id, ...(ifMatch && { ifMatch }) },
    })
    if (outcome !== 'failed' || answer?.status === 404) this.#options.people.left(person)
  }

  async #logIn(person: Person): Promise<void> {
    const { random } = this.#options
    const { email } = person
    const password = random.oneOf(person.passwords)
    const result = await this.#asked({
      ...{ kind: 'login', method: 'POST', path: '/api/v1/auth/login', body: { email, password } },
      says: { email, password: digest(password) },
    })
    if (result.outcome === 'ok') this.#takeSession(person, result)
  }

  async #ofSession(kind: 'refresh' | 'logout-all' | 'logout', session: Session): Promise<void> {
    const { person, access, refresh } = session
    const body = { refreshToken: refresh }
    const says = { refresh: digest(refresh) }
    const path = `/api/v1/auth/${kind}`
    const result =
      kind === 'logout-all'
        ? await this.#asked({ kind, method: 'POST', path, access, says: { user: person.id } })
        : await this.#asked({ kind, method: 'POST', path, body, says })
    if (kind === 'refresh' && result.outcome === 'ok') this.#takeSession(person, result)
    // A refresh token can be used once, so what was sent and not answered is of no use.
    else if (session === this.#session && (kind === 'refresh' || this.#options.random.chance(0.5))) this.#leave()
  }

  /** Keeps the tokens of the session that it has. */
  #leave(): void {
    const now = performance.now()
    this.#left = this.#left.filter(({ from }) => now - from < 120_000)
    if (this.#session) this.#left.push(this.#session)
    this.#session = undefined
  }

  /** The session that it has, or one that it left. */
  #someSession(): Session | undefined {
    const { random } = this.#options
    return this.#left.length > 0 && random.chance(0.4) ? random.oneOf(this.#left) : this.#session
  }

  /**
   * The session is of the user whom the token names. That can be another one with the address and password of this
   * person: its registration was sent again after its deletion.
   */
  #takeSession({ email, passwords }: Person, { answer, line }: Result): void {
    const { people } = this.#options
    const { accessToken: access = '', refreshToken: refresh = '' } = answer?.body ?? {}
    const [id, version] = [String(line['user']), Number(line['version'])]
    const person = people.known.get(id) ?? people.born({ id, email, passwords: [...passwords], version })
    this.#leave()
    this.#session = { person, access, refresh, from: performance.now() }
  }

  async #changePassword({ person, access }: Session): Promise<void> {
    const { random } = this.#options
    const [currentPassword, newPassword] = [random.oneOf(person.passwords), `password ${random.between(1, 1e9)}`]
    const { outcome } = await this.#asked({
      ...{ kind: 'password', method: 'POST', path: `/api/v1/users/${person.id}/password`, access },
      body: { currentPassword, newPassword },
      says: { user: person.id, password: digest(newPassword) },
    })
    if (outcome === 'ok') person.passwords = [newPassword]
    if (outcome === 'unknown') person.passwords.push(newPassword)
  }

  async #get(other: Person): Promise<void> {
    const { random } = this.#options
    // Sometimes itself, with a session that may have been revoked.
    const own = random.chance(0.2) ? this.#someSession() : undefined
    const access = own?.access
    const { id, version } = own?.person ?? other
    const etag = random.chance(0.3) ? this.#etags.get(id) : undefined
    const minVersion = random.chance(0.2) && version
    await this.#asked({
      ...{ kind: 'get', method: 'GET', path: `/api/v1/users/${id}`, access },
      headers: { ...(etag && { 'if-none-match': etag }), ...(minVersion && { 'x-min-version': String(version) }) },
      says: { user: id, ...(minVersion && { minVersion }) },
    })
  }

  #list = (): Promise<void> => this.#page('list', '/api/v1/users?limit=100')

  async #page(kind: Kind, path: string, says: Line = {}): Promise<void> {
    await this.#asked({ kind, method: 'GET', path, says })
  }

  /** Sends a command, and sends it again for as long as a client would that may. */
  async #repeated(request: Request): Promise<Result> {
    const { random } = this.#options
    let result = await this.#asked(request)
    const retryOf = result.line['op']
    for (let attempt = 1; attempt < 4 && isTemporary(result, request); attempt++) {
      await delay(random.between(50, 400 * attempt))
      result = await this.#asked({ ...request, says: { ...request.says, retryOf } })
    }
    if (result.outcome === 'ok' && request.headers?.['idempotency-key'] && random.chance(0.3)) {
      const afterMs = random.oneOf([0, random.between(0, 1_000), random.between(1_000, 6_000)])
      this.#again.push({ request, retryOf, at: performance.now() + afterMs })
    }
    return result
  }

  async #asked(request: Request): Promise<Result> {
    const { recorder, name, random, commandApis, queryApis, adminToken } = this.#options
    const { kind, method, path, says, body, headers, access } = request
    const isQuery = method === 'GET'
    const tokens = isQuery && random.chance(0.9) ? this.#tokens : []
    const op = recorder.invoke(name, kind, {
      ...says,
      ...(access && { access: digest(access) }),
      ...(tokens.length > 0 && { sent: tokens.map(digest) }),
    })
    const { outcome, answer } = await this.#send(kind, random.oneOf(isQuery ? queryApis : commandApis) + path, {
      method,
      headers: {
        authorization: `Bearer ${access ?? adminToken}`,
        ...(body && { 'content-type': 'application/json' }),
        ...(tokens.length > 0 && { 'consistency-token': tokens.join(', ') }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const line = answer
      ? { status: answer.status, ...(outcome !== 'unknown' && this.#told(request, outcome, answer)) }
      : {}
    recorder.complete(op, outcome, line)
    const token = answer?.headers.get('consistency-token')
    if (token && outcome !== 'unknown') this.#tokens = isQuery ? [token] : [...this.#tokens, token].slice(-15)
    if (kind === 'get' && outcome === 'ok') {
      const etag = answer?.headers.get('etag')
      if (etag) this.#etags.set(String(says['user']), etag)
    }
    return { outcome, answer, line: { op, ...line } }
  }

  /** What an answer says, in the words of a history. */
  #told({ kind, method, says }: Request, outcome: Outcome, { status, headers, body }: Answer): Line {
    const token = headers.get('consistency-token')
    const told = { ...(token && { token: digest(token) }) }
    if (outcome === 'failed') {
      // Somebody who was deleted: the token has the version of the tombstone.
      const deleted = token && readConsistencyToken(token)?.users.find(([id]) => id === says['user'])
      return method !== 'GET' && status === 404 && deleted ? { ...told, version: deleted[1] } : {}
    }
    const etag = /\d+/.exec(headers.get('etag') ?? '')
    const version = etag ? { version: Number(etag) } : {}
    if (kind === 'login' || kind === 'refresh') {
      const { accessToken = '', refreshToken = '' } = body ?? {}
      const { sub, ver } = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString())
      return { ...told, user: sub, version: ver, access: digest(accessToken), refresh: digest(refreshToken) }
    }
    if (method !== 'GET') {
      if (!body?.id) return { ...told, ...version }
      this.#learn(body as Shown)
      const isReplay = headers.get('idempotency-replayed') === 'true'
      return { ...told, ...version, shown: [shownAs(body as Shown)], ...(isReplay && { replayed: true }) }
    }
    if (kind === 'stats') return told
    if (kind === 'get') {
      if (status === 404) return { ...told, shown: [] }
      if (status === 304) return { ...told, shown: [{ id: says['user'], ...version }] }
      this.#learn(body as Shown)
      return { ...told, shown: [shownAs(body as Shown)] }
    }
    for (const shown of body?.data ?? []) this.#learn(shown)
    const isComplete = body?.pagination?.nextCursor === null
    return { ...told, shown: body?.data?.map(shownAs) ?? [], ...(isComplete && { complete: true }) }
  }

  #learn({ id, email, name, version }: Shown): void {
    const { people } = this.#options
    people.names.set(name, id)
    const person = people.known.get(id)
    if (people.others.has(id)) return
    // Of a registration whose answer was lost.
    if (!person) people.born({ id, email, passwords: ['not known'], version })
    else if (person.version < version) person.version = version
  }

  /** A refused connection carried no request, so it certainly has no effect; without an answer, anything else may. */
  async #send(kind: Kind, url: string, request: RequestInit): Promise<Pick<Result, 'outcome' | 'answer'>> {
    try {
      const response = await fetch(url, { ...request, signal: AbortSignal.timeout(this.#options.patienceMs) })
      const text = await response.text()
      const { status, headers } = response
      const answer = { status, headers, body: text ? JSON.parse(text) : undefined }
      return { outcome: outcomeOf(kind, answer), answer }
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
      return { outcome: code === 'ECONNREFUSED' ? 'failed' : 'unknown', answer: undefined }
    }
  }
}

/** Problems that say that nothing was done and nothing will be. All other 5xx leave it open. */
const refusing = new Set(['overloaded', 'outbox-full'])

function outcomeOf(kind: Kind, { status, body }: Answer): Outcome {
  if (status < 400 || (kind === 'get' && status === 404)) return 'ok'
  return status < 500 || refusing.has(body?.code ?? '') ? 'failed' : 'unknown'
}

const isTemporary = ({ outcome, answer }: Result, { isRepeatable }: Request): boolean =>
  isRepeatable === true && (outcome === 'unknown' || !answer || [429, 503].includes(answer.status))

/** A user as a history has it: what is on every answer, and a digest of the times. */
export const shownAs = ({ id, version, email, name, roles, isActive, createdAt, updatedAt }: Shown): Line => ({
  ...{ id, version, email, name, roles, isActive, more: digest(`${createdAt} ${updatedAt}`) },
})

/** No two are the same, so that a name tells whose it was. */
const nameFrom = (random: Random): string => `Contended ${random.between(1, 2 ** 48)}`

const reading = [
  ['get', 82],
  ['by-role', 6],
  ['list', 3],
  ['search', 3],
  ['directory', 4],
  ['stats', 2],
] as const

const changing = [
  ['change', 58],
  ['activate', 8],
  ['deactivate', 8],
  ['register', 8],
  ['delete', 4],
  ['login', 6],
  ['refresh', 4],
  ['logout-all', 2],
  ['logout', 1],
  ['password', 1],
] as const

function pick<Kind>(random: Random, weights: readonly (readonly [Kind, number])[]): Kind {
  let rest = random.between(
    1,
    weights.reduce((sum, [, weight]) => sum + weight, 0),
  )
  for (const [kind, weight] of weights) {
    rest -= weight
    if (rest <= 0) return kind
  }
  throw new Error('no weights')
}
