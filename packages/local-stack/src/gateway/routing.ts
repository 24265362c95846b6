export type Upstream = 'command-api' | 'query-api'

// Prefixes rather than routes, as every proxy supports them. A test compares them with the routes in contracts.
const readPaths = ['/api/v1/users', '/api/v1/stats', '/api/v1/directory']

/**
 * Which service answers a request: query-api reads users, statistics and the directory, command-api answers the rest.
 * @param path as the client sent it, without the query string
 */
export function upstreamFor(method: string, path: string): Upstream {
  const normal = normalisePath(path)
  const isRead = method === 'GET' || method === 'HEAD'
  return isRead && readPaths.some((path) => `${normal}/`.startsWith(`${path}/`)) ? 'query-api' : 'command-api'
}

/**
 * The normalised path: no empty segments, no `.` or `..`, and no unnecessary percent-encoding (RFC 3986, 6.2.2). An
 * encoded slash remains part of its segment. A request that is routed by this path must also be forwarded with it;
 * otherwise the service might answer a path other than the one that was routed.
 */
export function normalisePath(path: string): string {
  const decoded = path.replaceAll('\\', '%5C').replaceAll(/%[0-9a-f]{2}/gi, (code) => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return /[\w.~-]/.test(character) ? character : code.toUpperCase()
  })
  return new URL(`http://gateway${decoded.replaceAll(/\/{2,}/g, '/')}`).pathname
}
