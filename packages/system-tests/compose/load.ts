/**
 * Clients of a running system, for compose.sh: `node load.ts BASE_URL`, until SIGTERM. Each client registers, logs in,
 * and then reads and changes its own user; all of them send about 60 requests a second. Prints the number of requests
 * and the unexpected responses, and exits with 1 if there are any. No request is retried.
 */
import { setTimeout as delay } from 'node:timers/promises'

const [baseUrl] = process.argv.slice(2)
let sent = 0
const failures: string[] = []
let running = true
process.once('SIGTERM', () => {
  running = false
})

await Promise.all(Array.from({ length: 4 }, client))
console.log(`${sent} requests, ${failures.length} failed`)
for (const failure of failures.slice(0, 20)) console.log(`  ${failure}`)
process.exitCode = failures.length > 0 ? 1 : 0

async function client(): Promise<void> {
  while (running) {
    const login = { email: `${crypto.randomUUID()}@example.com`, password: 'password123' }
    const id = (await send(201, 'POST', '/auth/register', { ...login, name: 'Load', roles: ['buyer'] }))?.id
    const token = (await send(200, 'POST', '/auth/login', login))?.accessToken
    for (let version = 1; running && id && token && version < 10; ) {
      await send(200, 'GET', `/users/${id}`, undefined, token, version)
      await send(200, 'GET', '/users?limit=10', undefined, token)
      await send(200, 'GET', '/users/by-role/buyer?limit=10', undefined, token)
      const change = { name: `Load ${version}`, roles: ['buyer'] }
      version = (await send(200, 'PUT', `/users/${id}`, change, token))?.version ?? version
      await delay(40)
    }
  }
}

type Answer = { id?: string; accessToken?: string; version?: number }

/** The body; undefined if the response was not the expected one. */
async function send(
  expected: number,
  method: string,
  path: string,
  body?: object,
  token?: string,
  minVersion?: number,
): Promise<Answer | undefined> {
  sent++
  const at = new Date().toISOString()
  try {
    const response = await fetch(`${baseUrl}/api/v1${path}`, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...(minVersion && { 'x-min-version': String(minVersion) }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    })
    const answer = await response.text()
    if (response.status === expected) return JSON.parse(answer)
    failures.push(`${at} ${method} ${path}: ${response.status} ${answer.slice(0, 300)}`)
  } catch (error) {
    failures.push(`${at} ${method} ${path}: ${error}`)
  }
  return undefined
}
