import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Stack, type StackOptions, startStack } from '@cqrs/local-stack'
import { Connection } from './connection.ts'
import type { Greed, Took } from './greedy-client.ts'

type Options = {
  /** For each kind. */
  seconds: number
  isChosen: (kind: string) => boolean
  /** The most connections of a greedy client; default: as many as its kind has. */
  maxConnections?: number
  databases?: StackOptions['databases']
  log?: (line: string) => void
}
/** An ordinary client alone, and right after that beside a greedy one of this kind. */
export type Beside = { kind: string; connections: number; took: Took; quiet: Served; busy: Served; failures: string[] }
/** The requests of an ordinary client, in milliseconds, and those not answered with 200. */
type Served = { times: number[]; logIns: number[]; wrong: string[] }

/** Starts the whole system with the limits of production, and runs greedy clients beside an ordinary one in turn. */
export async function besideGreedy({ seconds, isChosen, maxConnections = 2_000, databases, log = () => {} }: Options) {
  const dataDir = await mkdtemp(join(tmpdir(), 'greedy-'))
  const stack = await startStack({ dataDir, databases, settings })
  try {
    const ordinary = await newClient(stack)
    // Compiles code, and fills caches and lists.
    for (let n = 0; n < 20; n++) await newClient(stack)
    await serve(stack, ordinary, seconds)
    const results: Beside[] = []
    for (const [kind, greedOf] of Object.entries(kinds).filter(([kind]) => isChosen(kind))) {
      const { expected, ...greed } = greedOf({ stack, client: await newClient(stack), ordinary })
      const connections = Math.min(greed.connections, maxConnections)
      const quiet = await serve(stack, ordinary, seconds)
      const [took, busy] = await Promise.all([
        takeAll({ ...greed, connections, seconds: seconds + 2 }),
        delay(1_000).then(() => serve(stack, ordinary, seconds)),
      ])
      const missing = expected.filter((status) => !took.statuses[status])
      if (took.open < connections * 0.9) missing.push(`${connections} open connections`)
      const failures = [
        ...[...quiet.wrong, ...busy.wrong].map((wrong) => `${kind}: an ordinary client got ${wrong}`),
        ...missing.map((what) => `${kind}: without effect, the greedy client got no ${what}`),
      ]
      const result = { kind, connections, took, quiet, busy, failures }
      results.push(result)
      log(rowOf(result))
    }
    return { results, failures: results.flatMap(({ failures }) => failures) }
  } finally {
    await stack.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** What production sets. Every connection comes from a trusted proxy, which names the client's address. */
const settings = {
  TRUSTED_PROXIES: '127.0.0.1',
  RATE_LIMIT_REGISTER: '10',
  RATE_LIMIT_LOGIN: '30',
  RATE_LIMIT_REFRESH: '60',
  RATE_LIMIT_CHANGE: '300',
  // This process would read each line, on the same cores.
  LOG_LEVEL: 'warn',
}

type Context = { stack: Stack; client: Client; ordinary: Client }
type Kind = (context: Context) => Omit<Greed, 'seconds'> & {
  /** Without an answer of each of these the greedy client was not busy; and it has most of its connections open. */
  expected: (number | string)[]
}

const flood = (
  service: 'command-api' | 'query-api',
  connections: number,
  expected: number[],
  requestOf: (context: Context) => Request,
): Kind => {
  return (context) => ({
    ports: [context.stack.ports[service]],
    connections,
    manner: 'flood',
    request: textOf(requestOf(context)),
    expected,
  })
}
const query = (path: string, expected: number[]): Kind =>
  flood('query-api', 1_000, expected, ({ client }) => ({ ...client, path }))

export const kinds: Record<string, Kind> = {
  'changes of password': flood('command-api', 130, [403, 429], ({ client }) => ({
    ...client,
    path: `/api/v1/users/${client.id}/password`,
    body: { currentPassword: 'not the password', newPassword: 'another password' },
  })),
  'wrong passwords for the account of the other': flood('command-api', 200, [401, 429], ({ client, ordinary }) => ({
    address: client.address,
    path: '/api/v1/auth/login',
    body: { email: ordinary.email, password: 'not the password' },
  })),
  registrations: flood('command-api', 200, [201, 429], ({ client: { address } }) => ({
    address,
    path: '/api/v1/auth/register',
    body: { email: `greedy-{n}-${address}@example.com`, password, name: 'Greedy', roles: ['buyer'] },
  })),
  refreshes: flood('command-api', 200, [200, 429], ({ client: { address, refreshToken } }) => ({
    address,
    path: '/api/v1/auth/refresh',
    body: { refreshToken },
  })),
  'changes of the profile': flood('command-api', 200, [200, 429], ({ client }) => ({
    ...client,
    method: 'PUT',
    path: `/api/v1/users/${client.id}`,
    body: { name: 'Greedy {n}', roles: ['buyer'] },
  })),
  'reads that wait for a version': flood('query-api', 1_050, [503, 429], ({ client }) => ({
    ...client,
    path: `/api/v1/users/${client.id}`,
    minVersion: 1_000,
  })),
  'reads of one user': flood('query-api', 1_000, [200], ({ client }) => ({
    ...client,
    path: `/api/v1/users/${client.id}`,
  })),
  'reads of unknown users': query('/api/v1/users/01990000-0000-7000-8000-000000{n}', [404]),
  lists: query('/api/v1/users?createdAfter=2020-01-01T00:00:00.{n}Z', [200, 429]),
  searches: query('/api/v1/users?q=u{n}', [200, 429]),
  'lists by role': query('/api/v1/users/by-role/buyer', [200, 429]),
  statistics: query('/api/v1/stats/users', [200]),
  'slow bodies': ({ stack, client }) => ({
    ports: [stack.ports['command-api']],
    connections: 250,
    manner: 'drip',
    request: textOf({ ...client, method: 'PUT', path: `/api/v1/users/${client.id}`, body: {} }).replace(
      /(?<=Length: )[\s\S]*/,
      '15000\r\n\r\n{',
    ),
    expected: [],
  }),
  'idle connections': ({ stack }) => ({
    ports: [stack.ports['command-api'], stack.ports['query-api']],
    connections: 1_000,
    manner: 'idle',
    request: '',
    expected: [],
  }),
}

/** Runs a greedy client in a process of its own. */
async function takeAll(greed: Greed): Promise<Took> {
  const child = fork(fileURLToPath(new URL('greedy-client.ts', import.meta.url)))
  child.send(greed)
  const [took] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('the greedy client ended'))),
  ])
  return took
}

/** An ordinary client: what the app of a person does, 30 requests a second, whether or not earlier ones have ended. */
async function serve(stack: Stack, client: Client, seconds: number): Promise<Served> {
  const served: Served = { times: [], logIns: [], wrong: [] }
  const get = (path: string, more: Partial<Request> = {}) => ask('query-api', { ...client, path, ...more })
  const ask = async (service: 'command-api' | 'query-api', request: Request, times = served.times) => {
    const startedAt = performance.now()
    const { status, body } = await answerOf(stack.ports[service], request)
    times.push(performance.now() - startedAt)
    if (status !== 200) served.wrong.push(`${status} ${body} for ${request.path}`)
    return body
  }
  const own = `/api/v1/users/${client.id}`
  const change = async () => {
    const body = { name: `Jo ${crypto.randomUUID()}`, roles: ['buyer'] }
    const changed = await ask('command-api', { ...client, method: 'PUT', path: own, body })
    await get(own, { minVersion: JSON.parse(changed).version })
  }
  const login = () => ask('command-api', logInOf(client), served.logIns)
  const lists = ['', '?q=jo', '?limit=5&sort=name', '/by-role/buyer', '?q=example'].map(
    (more) => `/api/v1/users${more}`,
  )
  const running: Promise<unknown>[] = []
  const startedAt = performance.now()
  for (let n = 0; n < seconds * perSecond; n++) {
    await delay(Math.max(startedAt + (n * 1_000) / perSecond - performance.now(), 0))
    if (n % 75 === 10) running.push(login())
    else if (n % 20 === 5) running.push(change())
    else if (n % 20 === 15) running.push(get('/api/v1/stats/users'))
    else running.push(get(n % 3 === 0 ? (lists[(n / 3) % lists.length] as string) : own))
  }
  await Promise.all(running)
  return served
}
const perSecond = 30

type Client = { id: string; email: string; address: string; token: string; refreshToken: string }
type Request = {
  method?: string
  path: string
  address: string
  token?: string
  minVersion?: number
  body?: object
}

let clients = 0
const password = 'password123'

/** Registers a user from an address of its own, and logs it in. @throws if one of the two is refused */
async function newClient(stack: Stack): Promise<Client> {
  const address = `10.0.0.${++clients}`
  const account = { email: `client-${clients}@example.com`, password, name: `Jo ${clients}`, roles: ['buyer'] }
  const registration = { path: '/api/v1/auth/register', address, body: account }
  const { id, email } = JSON.parse((await answerOf(stack.ports['command-api'], registration)).body)
  const session = JSON.parse((await answerOf(stack.ports['command-api'], logInOf({ email, address }))).body)
  return { id, email, address, token: session.accessToken, refreshToken: session.refreshToken }
}

const logInOf = ({ email, address }: Pick<Client, 'email' | 'address'>): Request => ({
  path: '/api/v1/auth/login',
  address,
  body: { email, password },
})

/** On a connection of its own, so that those of a greedy client must not keep it out either. */
async function answerOf(port: number, request: Request): Promise<{ status: number | string; body: string }> {
  const connection = new Connection(port)
  try {
    const answer = await connection.send(Buffer.from(textOf(request)), { method: 'GET', withinMs: 20_000 })
    return answer ?? { status: 'no answer', body: '{}' }
  } catch (error) {
    return { status: (error as Error).message, body: '{}' }
  } finally {
    connection.close()
  }
}

function textOf({ method, path, address, token, minVersion, body }: Request): string {
  const content = body && JSON.stringify(body)
  return [
    `${method ?? (content ? 'POST' : 'GET')} ${path} HTTP/1.1`,
    'Host: localhost',
    `X-Forwarded-For: ${address}`,
    ...(token ? [`Authorization: Bearer ${token}`] : []),
    ...(minVersion ? [`X-Min-Version: ${minVersion}`] : []),
    // `{n}` stands for six digits.
    ...(content
      ? ['Content-Type: application/json', `Content-Length: ${content.replace('{n}', '000000').length}`]
      : []),
    `\r\n${content ?? ''}`,
  ].join('\r\n')
}

/** The results as a Markdown table. */
export const greedyTable = (results: Beside[]): string => `
${rowIn(columns)}
${rowIn(columns.map(() => '---'))}
${results.map(rowOf).join('\n')}
`
const rowIn = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`
const columns = [
  'greedy client',
  'connections',
  'its answers',
  'requests beside it',
  'refused',
  'p50, quiet',
  'p50',
].concat(['p99, quiet', 'p99', 'times', 'log-in, quiet', 'log-in'])

function rowOf({ kind, connections, took, quiet, busy }: Beside): string {
  const ms = (served: Served, part: number, of: 'times' | 'logIns' = 'times') =>
    `${quantile(served[of], part).toFixed(1)} ms`
  const statuses = Object.entries(took.statuses).map(([status, count]) => `${status}: ${count}`)
  const cells = [
    kind,
    connections,
    statuses.join(', ') || `${took.open} open`,
    busy.times.length + busy.logIns.length,
    busy.wrong.length,
    ms(quiet, 0.5),
    ms(busy, 0.5),
    ms(quiet, 0.99),
    ms(busy, 0.99),
    (quantile(busy.times, 0.99) / quantile(quiet.times, 0.99)).toFixed(1),
    ms(quiet, 0.5, 'logIns'),
    ms(busy, 0.5, 'logIns'),
  ]
  return rowIn(cells)
}

const quantile = (values: number[], part: number): number =>
  values.toSorted((one, other) => one - other)[Math.ceil(part * values.length) - 1] ?? Number.NaN
