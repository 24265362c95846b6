import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../faults/random.ts'

/** A user of the client's own, as it was last told. */
type Own = { version: number; roles: string[]; isDeleted: boolean }

type Shown = { id: string; version: number }
type Page = { data: Shown[]; pagination: { nextCursor: string | null } }
type Stats = { byRole: Record<string, number> }

export type Tally = {
  pairs: Record<string, number>
  /** Milliseconds from sending a query to its answer. */
  times: number[]
  /** Answers that were refused or did not come, and were asked for again. */
  unanswered: number
  wrong: string[]
}

type Options = {
  commandApi: string
  queryApis: readonly string[]
  token: string
  random: Random
  /** A role that no other client gives to its users, so that it can count them. */
  ownRole: string | undefined
  /** Sends no tokens: shows that the check finds what they prevent. */
  withoutTokens: boolean
  tally: Tally
}

/**
 * A client that alternates between a command and a query, which it hands the tokens of what it was told, each time at
 * another query-api. What a query shows must contain every command of its own, and must not be older than what another
 * query has shown before.
 */
export class Client {
  readonly #options: Options
  readonly #own = new Map<string, Own>()
  /**
   * By read model, the latest version of every user that was shown; `gone` for those that a later list of all did not
   * have. What other clients do can be in one read model before it is in another.
   */
  readonly #seen = { users: new Map<string, number | 'gone'>(), directory: new Map<string, number | 'gone'>() }
  #token = ''

  constructor(options: Options) {
    this.#options = options
  }

  async pair(): Promise<void> {
    const { random, ownRole, tally } = this.#options
    const own = [...this.#own].filter(([, { isDeleted }]) => !isDeleted)
    if (own.length < 4) await this.#register()
    else if (own.length > 4 && random.chance(0.02)) await this.#delete(random.oneOf(own)[0])
    else if (random.chance(0.01)) await this.#register()
    else await this.#change(random.oneOf(own)[0])
    const queries = {
      list: this.#list,
      search: this.#search,
      directory: this.#directory,
      'by role': this.#byRole,
      'by id': this.#byId,
    }
    const kinds = Object.entries({ ...queries, ...(ownRole && { statistics: this.#statistics }) })
    const [kind, query] = random.oneOf(kinds)
    await query.call(this)
    tally.pairs[kind] = (tally.pairs[kind] ?? 0) + 1
  }

  /** Deletes its users, so that others can count and list all. */
  async leave(): Promise<void> {
    for (const [id, { isDeleted }] of this.#own) if (!isDeleted) await this.#delete(id)
  }

  async #register(): Promise<void> {
    const body = {
      email: `${randomUUID()}@fresh.example.com`,
      password: 'password123',
      name: 'Fresh',
      roles: ['buyer'],
    }
    const headers = { 'idempotency-key': `"${randomUUID()}"` }
    const user = await this.#command<Shown>('POST', '/api/v1/auth/register', body, headers)
    this.#own.set(user.id, { version: user.version, roles: ['buyer'], isDeleted: false })
  }

  async #change(id: string): Promise<void> {
    const { random, ownRole } = this.#options
    const roles = ownRole && random.chance(0.5) ? ['buyer', ownRole] : ['buyer']
    const body = { name: `Fresh ${random.between(0, 1e9)}`, roles }
    const user = await this.#command<Shown>('PUT', `/api/v1/users/${id}`, body)
    this.#own.set(id, { version: user.version, roles, isDeleted: false })
  }

  async #delete(id: string): Promise<void> {
    await this.#command<void>('DELETE', `/api/v1/users/${id}`)
    this.#own.set(id, { version: 0, roles: [], isDeleted: true })
  }

  async #list(): Promise<void> {
    this.#check('list', await this.#pages('/api/v1/users?limit=100'), () => true)
  }

  async #search(): Promise<void> {
    this.#check('search', await this.#pages('/api/v1/users?q=fresh&limit=100'), () => true)
  }

  async #directory(): Promise<void> {
    this.#check('directory', await this.#pages('/api/v1/directory/users?word=fresh&limit=100'), () => true)
  }

  async #byRole(): Promise<void> {
    const role = this.#options.ownRole ?? 'buyer'
    const page = await this.#query<Page>(`/api/v1/users/by-role/${role}?limit=100`)
    this.#check('by role', page.data, ({ roles }) => roles.includes(role))
  }

  async #byId(): Promise<void> {
    const [id, own] = this.#options.random.oneOf([...this.#own])
    const user = await this.#query<Partial<Shown> & { code?: string }>(`/api/v1/users/${id}`)
    if (own.isDeleted ? user.code !== 'user-not-found' : (user.version ?? 0) < own.version)
      this.#fail('by id', `${id} has version ${user.version ?? user.code} instead of ${own.version}`)
  }

  async #statistics(): Promise<void> {
    const { ownRole = '' } = this.#options
    const stats = await this.#query<Stats>('/api/v1/stats/users')
    const expected = [...this.#own.values()].filter(({ roles }) => roles.includes(ownRole)).length
    const found = (stats.byRole[ownRole] ?? 0) - (ownRole === 'admin' ? 1 : 0)
    if (found !== expected) this.#fail('statistics', `${found} users are ${ownRole} instead of ${expected}`)
  }

  /** One page holds all users. */
  async #pages(path: string): Promise<Shown[]> {
    const page = await this.#query<Page>(path)
    if (page.pagination.nextCursor) throw new Error('there are more users than a page holds')
    return page.data
  }

  #check(kind: string, shown: Shown[], isShown: (own: Own) => boolean): void {
    const found = new Map(shown.map(({ id, version }) => [id, version]))
    if (found.size < shown.length) this.#fail(kind, 'a user is shown twice')
    for (const [id, own] of this.#own) {
      const version = found.get(id)
      if (own.isDeleted ? version !== undefined : isShown(own) !== (version !== undefined))
        this.#fail(kind, `own user ${id} is ${version === undefined ? 'missing' : 'shown'}`)
      else if (version !== undefined && version < own.version)
        this.#fail(kind, `own user ${id} has version ${version} instead of ${own.version}`)
    }
    const seen = kind === 'directory' ? this.#seen.directory : this.#seen.users
    for (const [id, version] of found) {
      const before = seen.get(id) ?? 0
      if (before === 'gone' || version < before)
        this.#fail(kind, `${id} has version ${version}, and was ${before} before`)
      seen.set(id, version)
    }
    if (kind !== 'list' && kind !== 'directory') return
    // Whoever was shown, and is not in a list of all, was deleted.
    for (const id of seen.keys()) if (!found.has(id)) seen.set(id, 'gone')
  }

  #fail(kind: string, what: string): void {
    this.#options.tally.wrong.push(`${kind}: ${what}`)
  }

  /** Sends a command until it is acknowledged, as an ordinary HTTP client does. */
  async #command<Body>(
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Body> {
    for (;;) {
      const answer = await this.#send(this.#options.commandApi, method, path, body, headers)
      // 404: a deletion whose answer was lost.
      if (answer && (answer.ok || (method === 'DELETE' && answer.status === 404))) {
        this.#token = [this.#token, answer.headers.get('consistency-token')].filter(Boolean).join(', ')
        return (method === 'DELETE' ? undefined : await answer.json()) as Body
      }
      if (answer && answer.status < 500 && answer.status !== 409 && answer.status !== 429)
        throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
      await delay(50)
    }
  }

  /** Asks until there is an answer: 503 says that the read model is behind. */
  async #query<Body>(path: string): Promise<Body> {
    const { queryApis, random, tally, withoutTokens } = this.#options
    for (;;) {
      const headers = this.#token && !withoutTokens ? { 'consistency-token': this.#token } : {}
      const from = performance.now()
      const answer = await this.#send(random.oneOf(queryApis), 'GET', path, undefined, headers)
      if (answer?.ok || answer?.status === 404) {
        tally.times.push(performance.now() - from)
        this.#token = answer.headers.get('consistency-token') ?? ''
        return (await answer.json()) as Body
      }
      if (answer && answer.status < 500 && answer.status !== 429)
        throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
      tally.unanswered++
      await delay(50)
    }
  }

  async #send(api: string, method: string, path: string, body: object | undefined, headers: Record<string, string>) {
    const { token } = this.#options
    return await fetch(api + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    }).catch(() => undefined)
  }
}
