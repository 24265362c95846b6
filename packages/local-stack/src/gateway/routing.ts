export type Upstream = 'command-api' | 'query-api'

// Prefixes, not the routes themselves: any proxy can be told these. A test compares them with the table in contracts.
const readPaths = ['/api/v1/users', '/api/v1/stats']

/**
 * Which service answers a request: reading users, and figures about them, is query-api's, everything else command-api's.
 * `path` is as the client sent it, without the query string.
 */
export function upstreamFor(method: string, path: string): Upstream {
  const normal = normalisePath(path)
  const isRead = method === 'GET' || method === 'HEAD'
  return isRead && readPaths.some((path) => `${normal}/`.startsWith(`${path}/`)) ? 'query-api' : 'command-api'
}

/**
 * The path that a service will see for this one: no empty segments, no `.` and `..`, nothing percent-encoded that need
 * not be (RFC 3986, 6.2.2). An encoded slash stays a part of its segment. What is routed by this path must also be
 * forwarded with it, or a service would answer for another path than the one that was decided on.
 */
export function normalisePath(path: string): string {
  const decoded = path.replaceAll('\\', '%5C').replaceAll(/%[0-9a-f]{2}/gi, (code) => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return /[\w.~-]/.test(character) ? character : code.toUpperCase()
  })
  return new URL(`http://gateway${decoded.replaceAll(/\/{2,}/g, '/')}`).pathname
}
