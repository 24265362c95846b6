// Requests to the gateway with the session of this tab. The access token is kept in memory; the refresh token outlives
// a reload, and ends with the tab.

const session = { access: '', refreshing: /** @type {Promise<void> | undefined} */ (undefined) }
const refreshKey = 'refreshToken'
const deviceKey = 'deviceToken'
/** What later queries must not be older than. */
let seen = /** @type {string[]} */ ([])

/** Called with the reason when the session is over. */
export const onSessionEnd = { call: (/** @type {string} */ _reason) => {} }

/** A refusal of the server (RFC 9457), or that it did not answer. */
export class Problem extends Error {
  /** @param {{ title: string, status?: number, code?: string, detail?: string, instance?: string,
   *   errors?: { pointer: string, detail: string }[] }} about */
  constructor({ title, status = 0, code = 'no-answer', detail, instance, errors = [] }) {
    super(title)
    this.title = title
    this.status = status
    this.code = code
    this.detail = [detail, ...errors.map(({ pointer, detail }) => `${pointer} ${detail}`)].filter(Boolean).join('; ')
    /** The id of the request. */
    this.instance = instance
  }
}

/** @typedef {{ body?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} Options */

/**
 * Sends a request, once more with a new access token where the old one has expired.
 * @param {string} method @param {string} path @param {Options} [options]
 * @throws {Problem} for every answer that is no success
 */
export async function request(method, path, options) {
  const used = session.access
  if (!used && hasSession()) await refresh()
  let response = await send(method, path, options)
  if (response.status === 401 && hasSession()) {
    // Another request may have renewed the token in between.
    if (session.access === used || !session.access) await refresh()
    response = await send(method, path, options)
  }
  if (!response.ok) throw await problemOf(response)
  return response
}

/** The same, for JSON. @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<any>} */
export const json = async (method, path, body) => (await request(method, path, { body })).json()

/**
 * A query of users that shows at least what this tab has seen. While the read model is behind that, it shows what there
 * is, and `isBehind` says so.
 * @param {string} path
 */
export async function query(path) {
  const token = seen.join(',')
  try {
    const response = await request('GET', path, token ? { headers: { 'consistency-token': token } } : {})
    seen = [response.headers.get('consistency-token') ?? []].flat()
    return { body: await response.json(), etag: response.headers.get('etag'), isBehind: false }
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== 'read-model-behind') throw problem
    const response = await request('GET', path)
    return { body: await response.json(), etag: response.headers.get('etag'), isBehind: true }
  }
}

/** A change of a user. @param {string} method @param {string} path @param {Options} [options] */
export async function command(method, path, options) {
  const response = await request(method, path, options)
  const token = response.headers.get('consistency-token')
  if (token) seen = [...seen, token].slice(-20)
  return response
}

export const hasSession = () => sessionStorage.getItem(refreshKey) !== null

/** The id of who is logged in. */
export function ownId() {
  const [, claims = ''] = session.access.split('.')
  return claims ? JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).sub : undefined
}

/** @param {string} email @param {string} password */
export async function logIn(email, password) {
  // It spares a known browser the wait after the failed log-ins of others, and grants nothing.
  const deviceToken = localStorage.getItem(deviceKey) ?? undefined
  const response = await send('POST', '/api/v1/auth/login', { body: { email, password, deviceToken } })
  if (!response.ok) throw await problemOf(response)
  const body = await response.json()
  if (body.deviceToken) localStorage.setItem(deviceKey, body.deviceToken)
  keep(body)
}

/** Ends the session, also where the server cannot be reached. */
export async function logOut() {
  const refreshToken = sessionStorage.getItem(refreshKey)
  forget()
  if (refreshToken) await send('POST', '/api/v1/auth/logout', { body: { refreshToken } }).catch(() => {})
}

/** Several requests at a time share one refresh: a refresh token works once. */
function refresh() {
  session.refreshing ??= renew().finally(() => {
    session.refreshing = undefined
  })
  return session.refreshing
}

async function renew() {
  const refreshToken = sessionStorage.getItem(refreshKey)
  session.access = ''
  const response = await send('POST', '/api/v1/auth/refresh', { body: { refreshToken } })
  if (response.ok) return keep(await response.json())
  const problem = await problemOf(response)
  if (response.status === 401) {
    forget()
    onSessionEnd.call('Your session has ended. Log in again.')
  }
  throw problem
}

/** @param {{ accessToken: string, refreshToken: string }} tokens */
function keep({ accessToken, refreshToken }) {
  session.access = accessToken
  sessionStorage.setItem(refreshKey, refreshToken)
}

function forget() {
  session.access = ''
  seen = []
  sessionStorage.clear()
}

/** @param {string} method @param {string} path @param {Options} [options] */
async function send(method, path, { body, headers, signal } = {}) {
  try {
    return await fetch(path, {
      method,
      headers: {
        ...(session.access && { authorization: `Bearer ${session.access}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    })
  } catch (error) {
    throw new Problem({ title: 'The server does not answer.', detail: `${method} ${path}: ${error}` })
  }
}

/** @param {Response} response */
async function problemOf(response) {
  const text = await response.text()
  const about = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : {}
  const instance = about.instance ?? response.headers.get('x-request-id') ?? undefined
  return new Problem({ title: `The server answered ${response.status}.`, ...about, status: response.status, instance })
}

/** The lines of an answer, as they arrive. @param {Response} response */
export async function* linesOf(response) {
  let rest = ''
  const decoder = new TextDecoder()
  const reader = response.body?.getReader()
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    const lines = (rest + decoder.decode(next.value, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest) yield rest
}
