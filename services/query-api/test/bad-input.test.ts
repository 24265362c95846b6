import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { Problem, type ProblemCode, problems, routes } from '@cqrs/contracts'
import t, { type Test } from 'tap'
import Value from 'typebox/value'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, user } from './fixtures/users.ts'

const { app, bearer, stored } = await startQueryApi(t)
await stored.insertOne(user(1))

const one = `/api/v1/users/${idOf(1)}`
const all = '/api/v1/users'
const byRole = '/api/v1/users/by-role/buyer'

const invalidPages = {
  'limit=0': 'limit',
  'limit=-1': 'limit',
  'limit=-0': 'limit',
  'limit=101': 'limit',
  'limit=1000000': 'limit',
  'limit=99999999999999999999999': 'limit',
  'limit=abc': 'limit',
  'limit=0x10': 'limit',
  'limit=1e1': 'limit',
  'limit=10.0': 'limit',
  'limit=+10': 'limit',
  'limit=%2010': 'limit',
  'limit=010': 'limit',
  'limit=%D9%A1': 'limit',
  'limit=true': 'limit',
  'limit=null': 'limit',
  'limit=': 'limit',
  limit: 'limit',
  'limit=5&limit=6': 'limit',
  'limit[$gt]=1': 'limit[$gt]',
  'limit=%zz': 'limit',
  'limit=%00': 'limit',
  'offset=-1': 'offset',
  'offset=-0': 'offset',
  'offset=100001': 'offset',
  'offset=9007199254740993': 'offset',
  'offset=99999999999999999999999': 'offset',
  'offset=abc': 'offset',
  'offset=1&offset=2': 'offset',
  'cursor=': 'cursor',
  'cursor=%00': 'cursor',
  'cursor=a+b': 'cursor',
  'cursor=bm9uZQ': 'cursor',
  'cursor=W10': 'cursor', // []
  'cursor=bnVsbA': 'cursor', // null
  'cursor=WyJuZXdlc3QiLHsiJGd0IjoiIn1d': 'cursor', // ["newest",{"$gt":""}]
  'cursor=WyJvbGRlc3QiLCJ4Il0': 'cursor', // ["oldest","x"]
  'cursor=a&cursor=b': 'cursor',
  'page=2': 'page',
  'LIMIT=5': 'LIMIT',
  '__proto__=1': '__proto__',
  'constructor=1': 'constructor',
}
for (const path of [all, byRole]) {
  for (const [query, field] of Object.entries(invalidPages)) {
    t.test(`GET ${path}?${query}`, async (t) => {
      const problem = await refused(t, 'GET', `${path}?${query}`, 'validation-failed')
      t.strictSame([...new Set(problem.errors?.map(({ pointer }) => pointer))], [`#/querystring/${field}`])
    })
  }
}

for (const [query, field] of Object.entries({
  'isActive=': 'isActive',
  'isActive=1': 'isActive',
  'isActive=True': 'isActive',
  'isActive=true&isActive=true': 'isActive',
  'isActive[$ne]=true': 'isActive[$ne]',
  'sort=': 'sort',
  'sort=email': 'sort',
  'sort=-name': 'sort',
  'createdAfter=': 'createdAfter',
  'createdAfter=yesterday': 'createdAfter',
  'createdAfter=2026-11-01': 'createdAfter',
  'createdAfter=2026-11-01T00:00:00': 'createdAfter',
  'createdAfter=2026-11-01T00:00:00%2B01:00': 'createdAfter',
  'createdBefore=2026-13-01T00:00:00Z': 'createdBefore',
  'createdBefore=1762822946': 'createdBefore',
  'q=': 'q',
  'q=%20': 'q',
  'q=%00': 'q',
  'q=%0A': 'q',
  'q=a&q=b': 'q',
  'q[$regex]=a': 'q[$regex]',
  [`q=${'a'.repeat(101)}`]: 'q',
})) {
  t.test(`GET ${all}?${query.slice(0, 50)}`, async (t) => {
    const problem = await refused(t, 'GET', `${all}?${query}`, 'validation-failed')
    t.strictSame([...new Set(problem.errors?.map(({ pointer }) => pointer))], [`#/querystring/${field}`])
  })
}

t.test('the list of a role takes no filters', async (t) => {
  const problem = await refused(t, 'GET', `${byRole}?q=jane`, 'validation-failed')
  t.equal(problem.errors?.[0]?.pointer, '#/querystring/q')
})

const invalidIds = {
  'not a UUID': 'jane',
  'UUID of version 4': 'f81d4fae-7dec-41d0-a765-00a0c91e6bf6',
  'upper case': idOf(10).toUpperCase(),
  'one digit too many': `${idOf(1)}0`,
  'white space': `%20${idOf(1)}`,
  'line end': `${idOf(1)}%0A`,
  'NUL alone': '%00',
  'NUL at the end': `${idOf(1)}%00`,
  'MongoDB operator': '%7B%22$ne%22:null%7D',
  'path traversal': '..%2F..%2Fhealthz',
  empty: '',
  'name of another route': 'by-role',
}
for (const [what, id] of Object.entries(invalidIds)) {
  t.test(`invalid id: ${what}`, async (t) => {
    const problem = await refused(t, 'GET', `${all}/${id}`, 'validation-failed')
    t.equal(problem.errors?.[0]?.pointer, '#/params/id')
  })
}

for (const role of ['owner', 'Buyer', 'buyer%00', '%00', '__proto__', '$ne', 'buyer,seller', '']) {
  t.test(`invalid role: ${role || 'empty'}`, async (t) => {
    const problem = await refused(t, 'GET', `${all}/by-role/${role}`, 'validation-failed')
    t.equal(problem.errors?.[0]?.pointer, '#/params/role')
  })
}

for (const version of [
  '0',
  '-0',
  '-1',
  'abc',
  '1e1',
  '01',
  '1.0',
  '0x1',
  '+1',
  '"1"',
  'true',
  '',
  '1, 1',
  '1, 2',
  '1'.repeat(20),
]) {
  t.test(`invalid X-Min-Version: ${version || 'empty'}`, async (t) => {
    const problem = await refused(t, 'GET', one, 'validation-failed', { 'x-min-version': version })
    t.strictSame(
      problem.errors?.map(({ pointer }) => pointer),
      ['#/headers/x-min-version'],
    )
  })
}

t.test('GET of a single user takes no query parameters', async (t) => {
  const problem = await refused(t, 'GET', `${one}?limit=5`, 'validation-failed')
  t.equal(problem.errors?.[0]?.pointer, '#/querystring/limit')
})

t.test('statistics take no query parameters', async (t) => {
  const problem = await refused(t, 'GET', `${routes.userStats.path}?limit=5`, 'validation-failed')
  t.equal(problem.errors?.[0]?.pointer, '#/querystring/limit')
})

t.test('all invalid parameters are reported together', async (t) => {
  const problem = await refused(t, 'GET', `${all}?limit=0&offset=-1`, 'validation-failed')
  t.strictSame(problem.errors?.map(({ pointer }) => pointer).sort(), ['#/querystring/limit', '#/querystring/offset'])
})

for (const path of [`${all}/%zz`, `${all}/%`, `${all}/%E0%A4%A`, `${all}/%ff`, `${all}/by-role/%c0%80`]) {
  t.test(`undecodable path: ${path}`, (t) => refused(t, 'GET', path, 'malformed-request'))
}
t.test('a path that is too long', (t) => refused(t, 'GET', `${all}/${'a'.repeat(5_000)}`, 'malformed-request'))

const allowed = [
  [all, ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], 'GET, HEAD'],
  // `Allow` names the methods of the whole API, whichever service answers them.
  [one, ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'], 'DELETE, GET, HEAD, PUT'],
  [byRole, ['POST', 'PUT', 'DELETE'], 'GET, HEAD'],
  [routes.userStats.path, ['POST', 'PUT', 'DELETE'], 'GET, HEAD'],
  [routes.logIn.path, ['GET', 'POST'], 'POST'],
] as const
for (const [path, methods, allow] of allowed) {
  for (const method of methods) {
    t.test(`${method} ${path}`, async (t) => {
      const { headers } = await refused(t, method, path, 'method-not-allowed')
      t.equal(headers['allow'], allow)
    })
  }
}

for (const path of ['/', '/api/v1/user', '/api/v2/users', `${one}/roles`, '/api/v1/users/by-role/buyer/x', '//api']) {
  t.test(`unknown path: ${path}`, (t) => refused(t, 'GET', path, 'route-not-found'))
}

t.test('the body of a GET is ignored (RFC 9110, 9.3.1)', async (t) => {
  for (const payload of ['{"limit":', 'x'.repeat(100_000)]) {
    const headers = { ...bearer, 'content-type': 'application/json' }
    t.equal((await app.inject({ method: 'GET', url: one, headers, payload })).statusCode, 200)
  }
})

t.test('malformed HTTP and a repeated X-Min-Version are refused', async (t) => {
  const port = Number(new URL(app.listeningOrigin).port)
  const headers = `Host: a\r\nConnection: close\r\nAuthorization: ${bearer.authorization}`
  for (const [sent, code] of [
    [`GET ${one} HTTP/1.1\r\n${headers}\r\nX-Min-Version: 1\r\nX-Min-Version: 1\r\n\r\n`, 'validation-failed'],
    ['GET\r\n\r\n', 'malformed-request'],
    [`GET ${one}\0 HTTP/1.1\r\nHost: a\r\n\r\n`, 'malformed-request'],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 'headers-too-large'],
  ] as const) {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(sent)
    const answer = await text(socket)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1.1 ${problems[code][0]} `), JSON.stringify(sent.slice(0, 30)))
    t.match(head, /content-type: application\/problem\+json/i)
    t.match(JSON.parse(body), { code })
  }
})

/** Sends the request with a valid token and expects a problem without internal details. */
async function refused(t: Test, method: string, url: string, code: ProblemCode, more: Record<string, string> = {}) {
  const { statusCode, headers, body } = await app.inject({
    method: method as 'GET',
    url,
    headers: { ...bearer, ...more },
  })
  t.equal(statusCode, problems[code][0])
  t.match(headers['content-type'], /^application\/problem\+json/)
  const problem = JSON.parse(body) as Problem
  t.equal(problem.code, code)
  t.ok(Value.Check(Problem, problem), 'the body matches its schema in contracts')
  t.notMatch(body, /node_modules|at .*:\d+:\d+|Mongo|FST_|Error/)
  return { ...problem, headers }
}
