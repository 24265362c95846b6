import { routes } from '@cqrs/contracts'
import type { Upstream } from '../gateway/routing.ts'

/** Which service gets a request. Every gateway in front of the services is tested with these cases. */
export const routingCases: readonly (readonly [method: string, path: string, upstream: Upstream])[] = [
  ...Object.values(routes).map(({ method, path, service }) => [method, path.replaceAll(':', ''), service] as const),
  ['GET', '/api/v1/users', 'query-api'],
  ['HEAD', '/api/v1/users/1', 'query-api'],
  ['GET', '/api/v1/users/', 'query-api'],
  ['GET', '/api/v1/users/by-role/buyer', 'query-api'],
  ['HEAD', '/api/v1/stats/users', 'query-api'],
  ['OPTIONS', '/api/v1/users', 'command-api'],
  ['POST', '/api/v1/users', 'command-api'],
  ['PUT', '/api/v1/users/1', 'command-api'],
  ['GET', '/api/v1/usersx', 'command-api'],
  ['GET', '/api/v1/auth/login', 'command-api'],
  ['GET', '/', 'command-api'],
]

/**
 * Paths that are not in normal form (RFC 3986, 6.2.2), their normal form, and the service that gets a GET of them.
 */
export const unusualPaths: readonly (readonly [path: string, normal: string, upstream: Upstream])[] = [
  ['/api/v1/users/../auth/login', '/api/v1/auth/login', 'command-api'],
  ['/api/v1/users/%2e%2E/auth/login', '/api/v1/auth/login', 'command-api'],
  ['/api/v1/users//../auth/login', '/api/v1/auth/login', 'command-api'],
  ['/api/v1/auth/../users', '/api/v1/users', 'query-api'],
  ['//api//v1///users', '/api/v1/users', 'query-api'],
  ['/api/v1/./users', '/api/v1/users', 'query-api'],
  ['/api/v1/%75sers', '/api/v1/users', 'query-api'],
  ['/api/v1/%2575sers', '/api/v1/%2575sers', 'command-api'],
  ['/api/v1/users%2f1', '/api/v1/users%2F1', 'command-api'],
  ['/api/v1/users\\..\\auth', '/api/v1/users%5C..%5Cauth', 'command-api'],
  ['/API/v1/users', '/API/v1/users', 'command-api'],
  ['//example.com/api/v1/users', '/example.com/api/v1/users', 'command-api'],
  ['/../../api/v1/users', '/api/v1/users', 'query-api'],
]
