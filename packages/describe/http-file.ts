import type { OpenApi } from './open-api.ts'

/** One request. Operations come from the description; this says what each needs from the answers before it. */
type Step = {
  operationId: string
  /** Later requests refer to its answer by this name. */
  name?: string
  /** The access token. */
  as?: string
  query?: string
  headers?: Record<string, string>
  /** Replaces members of the example in the description. */
  body?: Record<string, string>
  /** Variables that its answer gives. */
  gives?: Record<string, string>
}

const seen = { 'Consistency-Token': '{{seen}}' }
const account = { email: '{{email}}', password: '{{password}}' }

/** In this order each is answered with success, also when all are sent again. */
const steps: Step[] = [
  {
    operationId: 'registerUser',
    name: 'register',
    body: account,
    gives: { id: '{{register.response.body.id}}', seen: '{{register.response.headers.Consistency-Token}}' },
  },
  { operationId: 'logIn', name: 'login', body: account, gives: { token: '{{login.response.body.accessToken}}' } },
  { operationId: 'getUser', as: '{{token}}', headers: seen },
  { operationId: 'listUsers', as: '{{token}}', query: 'limit=10&offset=0', headers: seen },
  { operationId: 'listUsersByRole', as: '{{token}}', query: 'limit=10&offset=0', headers: seen },
  { operationId: 'userStats', as: '{{token}}', headers: seen },
  { operationId: 'updateUser', as: '{{token}}', body: { name: 'Jane Doe' } },
  {
    operationId: 'refreshSession',
    name: 'refresh',
    body: { refreshToken: '{{login.response.body.refreshToken}}' },
  },
  { operationId: 'logOut', body: { refreshToken: '{{refresh.response.body.refreshToken}}' } },
  {
    operationId: 'changePassword',
    as: '{{token}}',
    body: { currentPassword: '{{password}}', newPassword: '{{newPassword}}' },
  },
  { operationId: 'logIn', name: 'loginAgain', body: { email: '{{email}}', password: '{{newPassword}}' } },
  { operationId: 'logOutEverywhere', as: '{{loginAgain.response.body.accessToken}}' },
  {
    operationId: 'logIn',
    name: 'adminLogin',
    body: { email: '{{adminEmail}}', password: '{{adminPassword}}' },
    gives: { adminToken: '{{adminLogin.response.body.accessToken}}' },
  },
  { operationId: 'listDirectory', as: '{{adminToken}}', query: 'word=jane' },
  { operationId: 'deactivateUser', as: '{{adminToken}}' },
  { operationId: 'activateUser', as: '{{adminToken}}' },
  { operationId: 'deleteUser', as: '{{adminToken}}' },
  { operationId: 'publicKeys' },
]

const head = `# Every request of the API, for REST Client of Visual Studio Code; \`npm run openapi\` generates it.
# Send them from top to bottom: later ones use the answers of earlier ones. \`npm run status\` shows the address of the
# system and the admin. In editors that do not know {{login.response.body.accessToken}}, paste the values.

@host = http://localhost:8080
@email = http-file@example.com
@password = password123
@newPassword = another-password
@adminEmail = admin@example.com
@adminPassword = as-npm-run-status-shows
`

/** The API as a file of requests. @throws where an operation has no request here, or a token too many or too few */
export function httpFile({ paths }: OpenApi): string {
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const missing = operations.filter(
    ({ operation }) => !steps.some((step) => step.operationId === operation.operationId),
  )
  if (missing.length > 0)
    throw new Error(`http-file.ts has no request for ${missing.map(({ operation }) => operation.operationId)}`)
  const requests = steps.map((step) => {
    const found = operations.find(({ operation }) => operation.operationId === step.operationId)
    if (!found) throw new Error(`http-file.ts has ${step.operationId}, which is no operation`)
    return requestOf(step, found)
  })
  return [head, ...requests].join('\n')
}

function requestOf(step: Step, { method, path, operation }: Found): string {
  if (Boolean(step.as) !== Boolean(operation.security?.length))
    throw new Error(`http-file.ts: ${step.operationId} has a token too many or too few`)
  const example = operation.requestBody?.content['application/json']?.example
  const parameters = Object.fromEntries((operation.parameters ?? []).map(({ name, example }) => [name, example]))
  // Of the user who was registered.
  const url = path.replaceAll(/\{(\w+)\}/g, (_, name) => (name === 'id' ? '{{id}}' : String(parameters[name])))
  const headers = {
    ...(step.as && { Authorization: `Bearer ${step.as}` }),
    ...step.headers,
    ...(example !== undefined && { 'Content-Type': 'application/json' }),
  }
  return [
    `### ${operation.summary}`,
    `# ${operation.description?.replaceAll(/\s+/g, ' ')}`,
    ...(step.name ? [`# @name ${step.name}`] : []),
    `${method} {{host}}${url}${step.query ? `?${step.query}` : ''}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(example !== undefined ? ['', JSON.stringify(bodyOf(example as object, step), null, 2)] : []),
    '',
    ...(step.gives ? ['###', ...Object.entries(step.gives).map(([name, value]) => `@${name} = ${value}`), ''] : []),
  ].join('\n')
}

type Found = { method: string; path: string; operation: OpenApi['paths'][string][string] }

/** A token of an example is of nobody. */
function bodyOf(example: object, { body }: Step): object {
  const { deviceToken: _, ...rest } = example as { deviceToken?: string }
  return { ...rest, ...body }
}
