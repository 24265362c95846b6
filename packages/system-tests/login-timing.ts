import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startStack } from '@cqrs/local-stack'
import { MongoClient } from 'mongodb'

/**
 * `npm run test:login-timing` measures how long each kind of failed login takes, in turns. Prints the medians; exits
 * with 1 if they differ by more than 10 %. Only an idle machine gives meaningful figures.
 */
const tries = Number(process.argv[2] ?? 200)
const dataDir = await mkdtemp(join(tmpdir(), 'login-timing-'))
const stack = await startStack({ dataDir })
const client = await new MongoClient(stack.uris.write).connect()
const db = client.db()
const failures = db.collection('login_back_off')

const password = 'a password for measuring'
const [waiting, right, inactive] = [await register(), await register(), await register()]
await db.collection('users').updateOne({ email: inactive }, { $set: { isActive: false } })
for (let n = 0; n < 5; n++) await logIn(waiting, 'wrong')
await failures.updateMany({ waitsUntil: { $exists: true } }, { $set: { waitsUntil: new Date(Date.now() + 3_600_000) } })
const ofWaiting = (await failures.find().toArray()).map(({ _id }) => _id)

const ways: Record<string, () => Promise<void>> = {
  'unknown address': () => logIn(`${crypto.randomUUID()}@example.com`, password),
  'wrong password': () => logIn(right, 'not the password at all'),
  'deactivated account': () => logIn(inactive, password),
  'backed-off account': () => logIn(waiting, password),
}
const times = Object.fromEntries(Object.keys(ways).map((way) => [way, [] as number[]]))
for (let n = 0; n < tries; n++) {
  for (const [way, attempt] of Object.entries(ways)) {
    const startedAt = performance.now()
    await attempt()
    times[way]?.push(performance.now() - startedAt)
  }
  // Otherwise the other attempts would have to wait as well.
  await failures.deleteMany({ _id: { $nin: ofWaiting } })
}

const medians = Object.entries(times).map(([way, all]) => ({ way, ms: all.sort((a, b) => a - b)[tries >> 1] ?? 0 }))
for (const { way, ms } of medians) console.log(`${way}: ${ms.toFixed(1)} ms (median of ${tries})`)
const all = medians.map(({ ms }) => ms)
const spread = Math.max(...all) / Math.min(...all) - 1
console.log(`spread: ${(spread * 100).toFixed(1)} %`)
await client.close()
await stack.stop()
await rm(dataDir, { recursive: true, force: true })
process.exit(spread <= 0.1 ? 0 : 1)

async function register(): Promise<string> {
  const email = `${crypto.randomUUID()}@example.com`
  await post('/api/v1/auth/register', { email, password, name: 'Jo', roles: ['buyer'] }, 201)
  return email
}

async function logIn(email: string, attempt: string): Promise<void> {
  await post('/api/v1/auth/login', { email, password: attempt }, 401)
}

async function post(path: string, body: object, expected: number): Promise<void> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(stack.baseUrl + path, init)
  await response.arrayBuffer()
  if (response.status !== expected) throw new Error(`${path} answered ${response.status}`)
}
