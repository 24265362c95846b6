/**
 * Clients of a running system, for compose.sh: `node load.ts BASE_URL [--elections]`, until SIGTERM. Each registers,
 * logs in, and then reads and changes itself: about 60 requests a second in all. No request is sent twice, except with
 * `--elections`: then commands may answer 503 with Retry-After, and are repeated with their Idempotency-Key, as are
 * queries for a version that the read model does not have yet. At the end each user must be shown at the version that
 * was acknowledged. Prints the number of requests, the longest time without a command and until a change was visible,
 * and each unexpected answer, and exits with 1 if there was one.
 */
import { setTimeout as delay } from 'node:timers/promises'

const [baseUrl, flag] = process.argv.slice(2)
const mayWait = flag === '--elections'
const acknowledged = new Map<string, { version: number; token: string }>()
let sent = 0
let longestWaitMs = 0
let longestUntilVisibleMs = 0
const failures: string[] = []
let running = true
process.once('SIGTERM', () => {
  running = false
})

await Promise.all(Array.from({ length: 4 }, client))
for (const [id, { version, token }] of acknowledged) await shown(id, token, version)
console.log(
  `${sent} requests, ${failures.length} failed` +
    (mayWait
      ? `; ${acknowledged.size} users kept; at most ${Math.round(longestWaitMs)} ms without a command, ` +
        `${Math.round(longestUntilVisibleMs)} ms until a change was visible`
      : ''),
)
for (const failure of failures.slice(0, 20)) console.log(`  ${failure}`)
process.exitCode = failures.length > 0 ? 1 : 0

async function client(): Promise<void> {
  while (running) {
    const login = { email: `${crypto.randomUUID()}@example.com`, password: 'password123' }
    const id = (await command(201, 'POST', '/auth/register', { ...login, name: 'Load', roles: ['buyer'] }))?.id
    const token = (await command(200, 'POST', '/auth/login', login))?.accessToken
    for (let version = 1; running && id && token && version < 10; ) {
      acknowledged.set(id, { version, token })
      await shown(id, token, version)
      await get('/users?limit=10', token)
      await get('/users/by-role/buyer?limit=10', token)
      const change = { name: `Load ${version}`, roles: ['buyer'] }
      version = (await command(200, 'PUT', `/users/${id}`, change, token))?.version ?? version
      await delay(40)
    }
  }
}

type Answer = { id?: string; accessToken?: string; version?: number }

function get(path: string, token: string, more?: Record<string, string>) {
  return send(200, path, { headers: { authorization: `Bearer ${token}`, ...more } })
}

/** Waits until the user is shown at this version. */
async function shown(id: string, token: string, version: number): Promise<void> {
  const from = performance.now()
  let answer: Answer | 'wait' | undefined = 'wait'
  while (answer === 'wait') {
    answer = await get(`/users/${id}`, token, { 'x-min-version': String(version) })
    if (performance.now() - from > 60_000) throw new Error(`${id} is not shown at version ${version}`)
  }
  longestUntilVisibleMs = Math.max(longestUntilVisibleMs, performance.now() - from)
}

async function command(expected: number, method: string, path: string, body: object, token?: string) {
  const from = performance.now()
  const headers = {
    'content-type': 'application/json',
    ...(path !== '/auth/login' && { 'idempotency-key': `"${crypto.randomUUID()}"` }),
    ...(token && { authorization: `Bearer ${token}` }),
  }
  let answer: Answer | 'wait' | undefined = 'wait'
  while (answer === 'wait') {
    answer = await send(expected, path, { method, headers, body: JSON.stringify(body) })
    if (answer === 'wait') await delay(200)
  }
  if (performance.now() - from > longestWaitMs) longestWaitMs = performance.now() - from
  return answer
}

/** The body; undefined if the answer is not the expected one; `wait` if the client may repeat the request. */
async function send(expected: number, path: string, request: RequestInit & { method?: string }) {
  sent++
  const what = `${new Date().toISOString()} ${request.method ?? 'GET'} ${path}`
  try {
    const response = await fetch(`${baseUrl}/api/v1${path}`, { ...request, signal: AbortSignal.timeout(30_000) })
    const answer = await response.text()
    if (response.status === expected) return JSON.parse(answer) as Answer
    const canRepeat = request.method !== undefined || answer.includes('"code":"read-model-behind"')
    if (mayWait && canRepeat && response.status === 503 && response.headers.get('retry-after')) return 'wait'
    failures.push(`${what}: ${response.status} ${answer.slice(0, 300)}`)
  } catch (error) {
    failures.push(`${what}: ${error}`)
  }
  return undefined
}
