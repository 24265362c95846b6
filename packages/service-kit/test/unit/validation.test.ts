import { Email, Name, Page, Password, Roles } from '@cqrs/contracts'
import t from 'tap'
import Type from 'typebox'
import { createServer } from '../../src/index.ts'
import { captureLog } from '../fixtures/capture-log.ts'

const app = createServer(captureLog().logger)
t.teardown(() => app.close())
const closed = { additionalProperties: false }
const body = Type.Object(
  { email: Email, password: Password, name: Name, roles: Roles, age: Type.Optional(Type.Integer()) },
  closed,
)
app.post('/echo', { schema: { body } }, (request) => request.body)
app.get('/page', { schema: { querystring: Page } }, (request) => request.query)
app.get(
  '/by-number/:number',
  { schema: { params: Type.Object({ number: Type.Integer() }) } },
  (request) => request.params,
)
app.get('/undescribed/:text', { schema: { params: Type.Object({ text: Type.String({ pattern: 'a' }) }) } }, () => '')

const good = { email: 'jane@example.com', password: 'password123', name: 'Jane', roles: ['buyer'] }

t.test('a body is accepted unchanged', async (t) => {
  const { statusCode, body } = await post({ ...good, age: 5 })
  t.equal(statusCode, 200)
  t.strictSame(body, { ...good, age: 5 })
})

for (const [what, sent, pointers] of [
  ['a number as password', { ...good, password: 12345678 }, ['#/body/password']],
  ['one text for a list', { ...good, roles: 'buyer' }, ['#/body/roles']],
  ['a text for a number', { ...good, age: '5' }, ['#/body/age']],
  ['a list for a text', { ...good, name: ['Jane'] }, ['#/body/name']],
  ['null', { ...good, name: null }, ['#/body/name']],
  ['an unknown field', { ...good, isAdmin: true }, ['#/body/isAdmin']],
  ['an unknown field with a slash', { ...good, 'a/b~c': 1 }, ['#/body/a~1b~0c']],
  ['a missing field', { ...good, email: undefined }, ['#/body/email']],
  ['a wrong item', { ...good, roles: ['buyer', 'owner'] }, ['#/body/roles/1']],
  ['two wrong fields', { ...good, email: 'x', password: 'short' }, ['#/body/email', '#/body/password']],
  ['nothing', {}, ['#/body/email', '#/body/password', '#/body/name', '#/body/roles']],
  ['a list', [good], ['#/body']],
  ['null alone', null, ['#/body']],
  ['101 letters beyond the basic plane', { ...good, name: '𝒳'.repeat(101) }, ['#/body/name']],
] as const) {
  t.test(`a refused body: ${what}`, async (t) => {
    const { statusCode, body } = await post(sent)
    t.equal(statusCode, 400)
    t.equal(body.code, 'validation-failed')
    t.strictSame(pointersOf(body), pointers)
  })
}

t.test('lengths are counted in code points', async (t) => {
  t.equal((await post({ ...good, name: '𝒳'.repeat(100), password: '𝒳'.repeat(128) })).statusCode, 200)
})

t.test('a refusal never quotes the value', async (t) => {
  const { body } = await post({ ...good, email: 'secret', password: 's3cret', roles: ['secret'], age: 'secret' })
  t.equal(body.errors.length, 4)
  t.notMatch(JSON.stringify(body), /s.cret/)
})

t.test('a pattern that does not match is described in words', async (t) => {
  const { body } = await post({ ...good, email: 'x', name: '\t' })
  t.strictSame(body.errors, [
    { pointer: '#/body/email', detail: 'must be an e-mail address' },
    { pointer: '#/body/name', detail: 'must contain a visible character and no control characters' },
  ])
  t.match((await app.inject('/undescribed/b')).json().errors, [{ detail: 'has the wrong format' }])
})

t.test('integers are read from query strings, and defaults are filled in', async (t) => {
  t.strictSame((await app.inject('/page')).json(), { limit: 20 })
  t.strictSame((await app.inject('/page?limit=5&offset=100000')).json(), { limit: 5, offset: 100_000 })
})

for (const limit of ['abc', '0x10', '1e1', '5.0', '+5', '%205', '05', '', 'true', '٥', '5&limit=6', '0', '-5', '101']) {
  t.test(`limit=${limit} is refused`, async (t) => {
    const answer = await app.inject(`/page?limit=${limit}`)
    t.equal(answer.statusCode, 400)
    t.strictSame(pointersOf(answer.json()), ['#/querystring/limit'])
  })
}

t.test('integers are read from paths', async (t) => {
  t.strictSame((await app.inject('/by-number/-12')).json(), { number: -12 })
  const answer = await app.inject('/by-number/1.5')
  t.equal(answer.statusCode, 400)
  t.strictSame(pointersOf(answer.json()), ['#/params/number'])
})

async function post(payload: unknown) {
  const headers = { 'content-type': 'application/json' }
  const answer = await app.inject({ method: 'POST', url: '/echo', headers, payload: JSON.stringify(payload) })
  return { statusCode: answer.statusCode, body: answer.json() }
}

const pointersOf = ({ errors }: { errors: { pointer: string }[] }) => errors.map(({ pointer }) => pointer)
