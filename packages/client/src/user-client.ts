import createFetchClient, { type Client } from 'openapi-fetch'
import type { components, operations, paths } from './api-types.ts'
import { ProblemError } from './errors.ts'
import { Freshness } from './freshness.ts'
import { type Message, type Retries, sendRepeatedly } from './repeat.ts'
import { memoryStorage, Session, type SessionStorage } from './session.ts'

type Schemas = components['schemas']
export type Role = Schemas['Role']
/** A user as commands answer it. */
export type User = Schemas['UserAnswer']
/** A user as queries answer it. */
export type UserReadModel = Schemas['UserReadModel']
export type UserPage = Schemas['UserPage']
export type UserStats = Schemas['UserStats']

type Query<Name extends keyof operations> = NonNullable<operations[Name]['parameters']['query']>
/** Which users of a list: those of one role, or by the other filters. */
export type UserFilter = (Query<'listUsersByRole'> & { role: Role }) | (Query<'listUsers'> & { role?: never })
/** Which users of the directory: by a word of name or address, or of one role. */
export type DirectoryFilter = Query<'listDirectory'>

export type ClientOptions = {
  /** Where the API is, such as `https://users.example.com`. Default: the origin of the page. */
  baseUrl?: string
  /** Keeps session and device token, for example `localStorage`. Default: memory. */
  storage?: SessionStorage
  /** Called when the service has ended the session: ask the user to log in. Not called after `logOut`. */
  onSessionEnd?: (reason: ProblemError) => void
  /** `consistencyToken` of another client: no answer is older than what that one has changed and seen. */
  consistencyToken?: string
  retries?: Retries
  /** Sends requests. Default: the global `fetch`. */
  fetch?: typeof fetch
}

export type CallOptions = {
  /** Ends the call, also while it waits to repeat a request. The call is rejected with the reason of the signal. */
  signal?: AbortSignal
}
/** For a change that must be made once, also if the program ends and calls again: 24 hours, with the same input. */
export type OnceOptions = CallOptions & {
  /** 1 to 255 printable ASCII characters, which nobody can guess. Default: a random one for each call. */
  idempotencyKey?: string
}
export type ChangeOptions = CallOptions & {
  /** Only if the user has this version; otherwise `precondition-failed`. */
  ifVersion?: number
}

/**
 * A client of the user service, for one user at a time.
 *
 * Every method rejects with `ProblemError` (the service refuses), `NoAnswerError` (the network fails),
 * `UnexpectedAnswerError` (something else has answered), or the reason of its signal.
 *
 * A request whose answer is lost, or is 502, 503 or 504, is repeated where the repetition has no effect of its own:
 * queries, `deleteUser`, `logOut`, refreshes with the same refresh token, `registerUser` and `updateUser` with the same
 * idempotency key. These are not: `logIn` would open a second session, that nobody ends; `changePassword` would be
 * refused because the current password is a new one; `activateUser` and `deactivateUser` could undo what another admin
 * has done since; `logOutEverywhere` could end a session that was opened since. After 429 every request is repeated.
 */
export class UserClient {
  readonly #api: Client<paths>
  readonly #session: Session
  readonly #freshness: Freshness
  readonly #options: ClientOptions

  constructor(options: ClientOptions = {}) {
    this.#options = options
    this.#api = createFetchClient<paths>({ baseUrl: options.baseUrl ?? '' })
    this.#freshness = new Freshness(options.consistencyToken)
    this.#session = new Session({
      storage: options.storage ?? memoryStorage(),
      refresh: (refreshToken) =>
        dataOf(this.#api.POST('/api/v1/auth/refresh', { body: { refreshToken }, fetch: this.#open(repeatable) })),
      onEnd: (reason) => options.onSessionEnd?.(reason),
    })
  }

  /** What this client has changed and seen, to pass on between a page and a server. It is not secret. */
  get consistencyToken(): string {
    return this.#freshness.token
  }

  /** The id of who is logged in; undefined if nobody is. */
  currentUserId(): Promise<string | undefined> {
    return this.#session.userId()
  }

  /**
   * Registers a user, and does not log in.
   * @throws ProblemError `email-taken`, `password-too-common`, `validation-failed` with `errors`, `role-not-allowed`
   */
  registerUser(input: Schemas['RegisterUser'], { idempotencyKey, signal }: OnceOptions = {}): Promise<User> {
    const header = { 'idempotency-key': quoted(idempotencyKey ?? newKey()) }
    const fetch = this.#open({ ...repeatable, signal })
    return dataOf(this.#api.POST('/api/v1/auth/register', { params: { header }, body: input, fetch }))
  }

  /**
   * Logs in, with the device token of the last login, so that failed logins from elsewhere do not delay this one.
   * @returns the id of the user
   * @throws ProblemError `invalid-credentials`
   */
  async logIn({ email, password }: { email: string; password: string }, { signal }: CallOptions = {}): Promise<string> {
    const deviceToken = await this.#session.deviceToken()
    const body = { email, password, ...(deviceToken !== undefined && { deviceToken }) }
    const answer = await dataOf(this.#api.POST('/api/v1/auth/login', { body, fetch: this.#open({ signal }) }))
    await this.#session.keepDeviceToken(answer.deviceToken)
    await this.#session.begin(answer)
    return (await this.#session.userId()) ?? ''
  }

  /**
   * Gets new tokens now. Calls do so by themselves when the access token has expired.
   * @throws ProblemError `refresh-token-invalid` if the session has ended
   */
  async refreshSession({ signal }: CallOptions = {}): Promise<void> {
    await this.#session.renew(undefined, signal)
  }

  /** Ends the session. It is forgotten here at once, also if the service does not answer and the call is rejected. */
  async logOut({ signal }: CallOptions = {}): Promise<void> {
    const refreshToken = await this.#session.end()
    const fetch = this.#open({ ...repeatable, signal })
    if (refreshToken) await this.#api.POST('/api/v1/auth/logout', { body: { refreshToken }, fetch })
  }

  /** Ends every session of the user, this one as well. */
  async logOutEverywhere({ signal }: CallOptions = {}): Promise<void> {
    await this.#api.POST('/api/v1/auth/logout-all', { fetch: this.#command({ signal }) })
    await this.#session.end()
  }

  /**
   * Replaces name and roles.
   * @throws ProblemError `user-not-found`, `not-allowed`, `role-not-allowed`, `precondition-failed`, `last-admin`
   */
  updateUser(
    id: string,
    input: Schemas['UpdateUser'],
    { ifVersion, idempotencyKey, signal }: ChangeOptions & OnceOptions = {},
  ): Promise<User> {
    const header = { 'idempotency-key': quoted(idempotencyKey ?? newKey()), ...ifMatch(ifVersion) }
    const fetch = this.#command({ ...repeatable, signal })
    return dataOf(this.#api.PUT('/api/v1/users/{id}', { params: { path: { id }, header }, body: input, fetch }))
  }

  /**
   * Deletes a user. If the answer was lost and a repetition does not find the user, it is deleted. Users who delete
   * themselves are logged out. If that answer was lost, the repetition finds no more than that their session has ended,
   * so the call is rejected with `refresh-token-invalid`.
   * @throws ProblemError `user-not-found`, `not-allowed`, `precondition-failed`, `last-admin`
   */
  async deleteUser(id: string, { ifVersion, signal }: ChangeOptions = {}): Promise<void> {
    const params = { path: { id }, header: ifMatch(ifVersion) }
    const fetch = this.#command({ ...repeatable, signal })
    await this.#api.DELETE('/api/v1/users/{id}', { params, fetch }).catch((error: unknown) => {
      if (!(error instanceof ProblemError && error.isRepeat && error.code === 'user-not-found')) throw error
    })
    if (id === (await this.currentUserId())) await this.#session.end()
  }

  /**
   * Changes the password of who is logged in, and ends every session of the user, this one as well.
   * @throws ProblemError `wrong-password`, `password-too-common`, `precondition-failed`
   */
  async changePassword(
    id: string,
    input: Schemas['ChangePassword'],
    { ifVersion, signal }: ChangeOptions = {},
  ): Promise<User> {
    const params = { path: { id }, header: ifMatch(ifVersion) }
    const fetch = this.#command({ signal })
    const user = await dataOf(this.#api.POST('/api/v1/users/{id}/password', { params, body: input, fetch }))
    await this.#session.end()
    return user
  }

  /** Ends every session of a user and refuses logins, until `activateUser`. For admins. @throws as `deleteUser` */
  deactivateUser(id: string, { signal }: CallOptions = {}): Promise<User> {
    const fetch = this.#command({ signal })
    return dataOf(this.#api.POST('/api/v1/users/{id}/deactivate', { params: { path: { id } }, fetch }))
  }

  /** Lets a user log in again. For admins. @throws as `deleteUser` */
  activateUser(id: string, { signal }: CallOptions = {}): Promise<User> {
    const fetch = this.#command({ signal })
    return dataOf(this.#api.POST('/api/v1/users/{id}/activate', { params: { path: { id } }, fetch }))
  }

  /** A user. @throws ProblemError `user-not-found` */
  getUser(id: string, { signal }: CallOptions = {}): Promise<UserReadModel> {
    return dataOf(this.#api.GET('/api/v1/users/{id}', { params: { path: { id } }, fetch: this.#query(signal) }))
  }

  /**
   * All users that match, page by page: `for await (const user of client.listUsers({ role: 'buyer' }))`. Pages are
   * several moments: a user that is renamed in between can be on two of them or on none.
   * @param filter `q` searches; `limit` is the size of a page, 100 by default; `cursor` begins after an earlier page
   */
  listUsers(filter: UserFilter = {}, options: CallOptions = {}): AsyncGenerator<UserReadModel, void> {
    return usersOf(filter, (page) => this.listPage(page, options))
  }

  /** One page of a list: `pagination.nextCursor` is the `cursor` of the next one. */
  listPage({ role, ...query }: UserFilter = {}, { signal }: CallOptions = {}): Promise<UserPage> {
    const fetch = this.#query(signal)
    if (role === undefined) return dataOf(this.#api.GET('/api/v1/users', { params: { query }, fetch }))
    return dataOf(this.#api.GET('/api/v1/users/by-role/{role}', { params: { path: { role }, query }, fetch }))
  }

  /** Users by their last change, page by page. For admins. */
  listDirectory(filter: DirectoryFilter = {}, options: CallOptions = {}): AsyncGenerator<UserReadModel, void> {
    return usersOf(filter, (page) => this.directoryPage(page, options))
  }

  /** One page of the directory. For admins. */
  directoryPage(query: DirectoryFilter = {}, { signal }: CallOptions = {}): Promise<UserPage> {
    return dataOf(this.#api.GET('/api/v1/directory/users', { params: { query }, fetch: this.#query(signal) }))
  }

  /** How many users there are: all, active, by role, by day of registration. */
  userStats({ signal }: CallOptions = {}): Promise<UserStats> {
    return dataOf(this.#api.GET('/api/v1/stats/users', { fetch: this.#query(signal) }))
  }

  /** Sends a request that needs no access token. */
  #open(how: How): (request: Request) => Promise<Response> {
    return async (request) => this.#freshness.command(this.#send(await messageOf(request), how))
  }

  /** Sends a command of who is logged in. */
  #command(how: How): (request: Request) => Promise<Response> {
    return async (request) => this.#freshness.command(this.#authorized(await messageOf(request), how))
  }

  #query(signal: AbortSignal | undefined): (request: Request) => Promise<Response> {
    return async (request) => {
      const message = await messageOf(request)
      const send = (headers: Headers) => this.#authorized({ ...message, headers }, { ...repeatable, signal })
      return this.#freshness.query(message.headers, send)
    }
  }

  #authorized(message: Message, how: How): Promise<Response> {
    return this.#session.send(message, (authorized) => this.#send(authorized, how), how.signal)
  }

  #send(message: Message, { isRepeatable = false, signal }: How): Promise<Response> {
    const { retries = {}, fetch = globalThis.fetch } = this.#options
    return sendRepeatedly(message, { fetch, retries, isRepeatable, signal })
  }
}

type How = { isRepeatable?: boolean; signal?: AbortSignal | undefined }
const repeatable = { isRepeatable: true }

const messageOf = async (request: Request): Promise<Message> => {
  const { url, method, headers } = request
  return { url, method, headers, body: (await request.text()) || undefined }
}

/** What a successful answer holds; refusals are thrown before. */
async function dataOf<Data>(answer: Promise<{ data?: Data }>): Promise<Data> {
  return (await answer).data as Data
}

async function* usersOf<Filter extends { cursor?: string; limit?: number; offset?: number }>(
  filter: Filter,
  pageOf: (filter: Filter) => Promise<UserPage>,
): AsyncGenerator<UserReadModel, void> {
  let next: Filter | undefined = { limit: 100, ...filter }
  while (next) {
    const { data, pagination } = await pageOf(next)
    yield* data
    // A cursor replaces the offset.
    const { offset: _, ...same }: Filter = next
    next = pagination.nextCursor === null ? undefined : ({ ...same, cursor: pagination.nextCursor } as Filter)
  }
}

/** Not `randomUUID`, which a browser has only on pages that came over TLS. */
const newKey = () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join('-')

/** A string of RFC 9651. */
const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`

const ifMatch = (version: number | undefined) => (version === undefined ? {} : { 'if-match': `"${version}"` })
