import t from 'tap'
import { allowedMethods, routes } from '../../src/index.ts'

const id = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'

for (const [path, methods] of Object.entries({
  '/api/v1/auth/register': ['POST'],
  '/api/v1/auth/login': ['POST'],
  '/api/v1/auth/refresh': ['POST'],
  '/api/v1/auth/logout': ['POST'],
  '/api/v1/auth/logout-all': ['POST'],
  '/api/v1/users': ['GET', 'HEAD'],
  [`/api/v1/users/${id}`]: ['DELETE', 'GET', 'HEAD', 'PUT'],
  '/api/v1/users/by-role/buyer': ['GET', 'HEAD'],
  '/.well-known/jwks.json': ['GET', 'HEAD'],
  [`/api/v1/users/${id}/password`]: ['POST'],
  [`/api/v1/users/${id}/deactivate`]: ['POST'],
  [`/api/v1/users/${id}/activate`]: ['POST'],
  '/': [],
  '/api/v1': [],
  '/api/v1/users/': [],
  '/api/v1/user': [],
  [`/api/v1/users/${id}/roles`]: [],
  '/api/v1/users/by-role/buyer/x': [],
  '/x/api/v1/users': [],
  '/API/V1/USERS': [],
  '/xwell-known/jwks.json': [],
})) {
  t.test(`${path} supports ${methods.join(', ') || 'no method'}`, async (t) => {
    t.strictSame(allowedMethods(path), methods)
  })
}

t.test('no two routes have the same method and path', async (t) => {
  const all = Object.values(routes).map(({ method, path }) => `${method} ${path}`)
  t.equal(new Set(all).size, all.length)
})
