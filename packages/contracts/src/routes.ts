/**
 * Every route of the public API, and the service that answers it. The services register their handlers from this table,
 * and the `Allow` header of a 405 comes from it.
 */
export const routes = {
  registerUser: { service: 'command-api', method: 'POST', path: '/api/v1/auth/register' },
  logIn: { service: 'command-api', method: 'POST', path: '/api/v1/auth/login' },
  refreshSession: { service: 'command-api', method: 'POST', path: '/api/v1/auth/refresh' },
  logOut: { service: 'command-api', method: 'POST', path: '/api/v1/auth/logout' },
  logOutEverywhere: { service: 'command-api', method: 'POST', path: '/api/v1/auth/logout-all' },
  updateUser: { service: 'command-api', method: 'PUT', path: '/api/v1/users/:id' },
  deleteUser: { service: 'command-api', method: 'DELETE', path: '/api/v1/users/:id' },
  changePassword: { service: 'command-api', method: 'POST', path: '/api/v1/users/:id/password' },
  deactivateUser: { service: 'command-api', method: 'POST', path: '/api/v1/users/:id/deactivate' },
  activateUser: { service: 'command-api', method: 'POST', path: '/api/v1/users/:id/activate' },
  publicKeys: { service: 'command-api', method: 'GET', path: '/.well-known/jwks.json' },
  getUser: { service: 'query-api', method: 'GET', path: '/api/v1/users/:id' },
  listUsers: { service: 'query-api', method: 'GET', path: '/api/v1/users' },
  listDirectory: { service: 'query-api', method: 'GET', path: '/api/v1/directory/users' },
  userStats: { service: 'query-api', method: 'GET', path: '/api/v1/stats/users' },
  listUsersByRole: { service: 'query-api', method: 'GET', path: '/api/v1/users/by-role/:role' },
} as const

/**
 * The methods that the API supports at a path, whichever service answers them; none for an unknown path. A path can
 * match several templates: `/users/by-role` also matches `/users/:id`.
 */
export function allowedMethods(path: string): string[] {
  const methods = Object.values(routes)
    .filter((route) => templates.get(route.path)?.test(path))
    .flatMap((route) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method]))
  return [...new Set(methods)].sort()
}

const templates = new Map(
  Object.values(routes).map(({ path }) => [
    path,
    new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:[a-z]+/g, '[^/]+')}$`),
  ]),
)
