import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { person } from '../../src/seed/people.ts'
import { registerAll } from '../../src/seed/register.ts'

t.test('the people are varied, always the same, and no two have the same address', async (t) => {
  const people = Array.from({ length: 25_000 }, (_, index) => person(index))
  t.equal(new Set(people.map(({ email }) => email)).size, people.length)
  t.equal(new Set(people.slice(0, 5_000).map(({ name }) => name)).size, 5_000)
  t.strictSame(
    people.filter(({ email }) => !/^[a-z]+([.-][a-z]+)+\d*@example\.com$/.test(email)),
    [],
  )
  t.strictSame(person(7), person(7))
  const roles = new Set(people.map(({ roles }) => roles.join()))
  t.strictSame([...roles].sort(), ['buyer', 'buyer,seller', 'seller'])
})

t.test('it waits as the API asks to, and says what the API refuses', async (t) => {
  const statuses = [429, 201, 503, 409]
  let askedFor = 0
  const server = createServer((_request, response) => {
    const status = statuses[askedFor++] ?? 400
    response.writeHead(status, status === 429 || status === 503 ? { 'retry-after': '1' } : {}).end('{"code":"no"}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const progress: unknown[] = []
  const options = { api, password: 'x', onProgress: (...args: unknown[]) => progress.push(args) }
  t.strictSame(await registerAll([person(0)], options), { created: 1, existed: 0 })
  t.strictSame(await registerAll([person(1)], options), { created: 0, existed: 1 })
  t.match(progress, [[0, /answered 429, waiting 1 s/], [1], [0, /answered 503/], [1]])
  await t.rejects(registerAll([person(2)], options), { message: `${person(2).email} was answered 400: {"code":"no"}` })
})
