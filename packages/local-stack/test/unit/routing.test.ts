import { routes } from '@cqrs/contracts'
import t from 'tap'
import { normalisePath, upstreamFor } from '../../src/gateway/routing.ts'

t.test('every route of the API goes to the service that answers it', async (t) => {
  for (const { method, path, service } of Object.values(routes)) t.equal(upstreamFor(method, path), service, path)
})

t.test('reading is the only thing that goes to query-api', async (t) => {
  const cases: [method: string, path: string, upstream: string][] = [
    ['GET', '/api/v1/users', 'query-api'],
    ['HEAD', '/api/v1/users/1', 'query-api'],
    ['GET', '/api/v1/users/', 'query-api'],
    ['GET', '/api/v1/users/by-role/buyer', 'query-api'],
    ['OPTIONS', '/api/v1/users', 'command-api'],
    ['POST', '/api/v1/users', 'command-api'],
    ['PUT', '/api/v1/users/1', 'command-api'],
    ['GET', '/api/v1/usersx', 'command-api'],
    ['GET', '/api/v1/auth/login', 'command-api'],
    ['GET', '/', 'command-api'],
  ]
  for (const [method, path, upstream] of cases) t.equal(upstreamFor(method, path), upstream, `${method} ${path}`)
})

t.test('a path is routed as the service will read it, however it is written', async (t) => {
  const cases: [path: string, normal: string, upstream: string][] = [
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
  for (const [path, normal, upstream] of cases) {
    t.equal(normalisePath(path), normal, path)
    t.equal(normalisePath(normal), normal, `${normal} stays as it is`)
    t.equal(upstreamFor('GET', path), upstream, path)
  }
})
