import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { NoAnswerError, ProblemError, UserClient } from '../../src/index.ts'

const user = { id: 'a', email: 'a@example.com', name: 'A', roles: ['buyer'], version: 1 }
const account = { email: 'a@example.com', password: 'password123', name: 'A', roles: ['buyer' as const] }

/** A stand-in for the service: gives the next of these answers to each request, the last one again and again. */
async function standIn(t: Test, answers: ((response: ServerResponse) => void)[]) {
  const keys: (string | string[] | undefined)[] = []
  const times: number[] = []
  const server = createServer(async (request, response) => {
    await text(request)
    keys.push(request.headers['idempotency-key'])
    times.push(performance.now())
    answers[Math.min(times.length, answers.length) - 1]?.(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, keys, times }
}

const problem =
  (status: number, headers: Record<string, string>, code = 'storage-unavailable') =>
  (response: ServerResponse) =>
    response
      .writeHead(status, { 'content-type': 'application/problem+json', ...headers })
      .end(JSON.stringify({ type: 'urn:x', title: 'No.', status, code }))
const created = (response: ServerResponse) =>
  response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(user))
const cut = (response: ServerResponse) => response.destroy()
const cutInside = (response: ServerResponse) => {
  response.writeHead(201, { 'content-type': 'application/json', 'content-length': '100' }).write('{"id":')
  setTimeout(() => response.destroy(), 20)
}
const never = () => {}

t.test('Retry-After is obeyed, in seconds and as a date of the server, whose clock may be off', async (t) => {
  const date = (ms: number) => new Date(Date.parse('2001-01-01T00:00:00Z') + ms).toUTCString()
  const inSeconds = problem(503, { 'retry-after': '1' })
  const asDate = problem(503, { date: date(0), 'retry-after': date(1_000) })
  const limited = problem(429, { 'retry-after': '1' }, 'rate-limited')
  const { baseUrl, keys, times } = await standIn(t, [inSeconds, asDate, limited, created])
  t.match(await new UserClient({ baseUrl }).registerUser(account), { id: 'a' })
  t.equal(times.length, 4)
  for (const [i, time] of times.slice(1).entries()) t.ok(time - (times[i] ?? 0) >= 1_000, `wait ${i + 1}`)
  t.equal(new Set(keys).size, 1)
})

t.test('a wait that would take too long is left to the caller', async (t) => {
  const { baseUrl, times } = await standIn(t, [problem(429, { 'retry-after': '60' }, 'rate-limited')])
  const error = await new UserClient({ baseUrl }).registerUser(account).catch((error) => error)
  t.ok(error instanceof ProblemError)
  t.match(error, { code: 'rate-limited', status: 429, retryAfterSeconds: 60 })
  t.equal(times.length, 1)
})

t.test('attempts are bounded in number', async (t) => {
  const { baseUrl, times } = await standIn(t, [problem(503, { 'retry-after': '0' })])
  const client = new UserClient({ baseUrl, retries: { attempts: 3 } })
  await t.rejects(client.registerUser(account), { code: 'storage-unavailable' })
  t.equal(times.length, 3)
})

t.test('an answer that is cut in the middle, or does not come, is a lost one', async (t) => {
  const { baseUrl, times } = await standIn(t, [cut, cutInside, never, created])
  const client = new UserClient({ baseUrl, retries: { attemptMs: 3_000 } })
  t.match(await client.registerUser(account), { id: 'a' })
  t.equal(times.length, 4)
})

t.test('a log-in is repeated after 429, and not if it may have taken effect', async (t) => {
  for (const answer of [cut, problem(503, { 'retry-after': '0' })]) {
    const limited = problem(429, { 'retry-after': '0' }, 'rate-limited')
    const { baseUrl, times } = await standIn(t, [limited, answer])
    await t.rejects(new UserClient({ baseUrl }).logIn(account), answer === cut ? NoAnswerError : ProblemError)
    t.equal(times.length, 2)
  }
})

t.test('a server that is not there is an error with its cause', async (t) => {
  const client = new UserClient({ baseUrl: 'http://127.0.0.1:1', retries: { attempts: 1 } })
  const error = await client.registerUser(account).catch((error) => error)
  t.ok(error instanceof NoAnswerError)
  t.match(error, { message: 'no answer to POST http://127.0.0.1:1/api/v1/auth/register', cause: TypeError })
})
