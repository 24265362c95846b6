import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const { send, newUser, newAdmin, database } = await startCommandApi(t)
const admin = await newAdmin()
const users = database.db.collection<any>('users')
const update = { name: 'Jane Doe', roles: ['seller'] }

for (const [method, body, done] of [
  ['PUT', update, 200],
  ['DELETE', undefined, 204],
] as const) {
  const on = async (ifMatch: string) => {
    const { user, token } = await newUser()
    await eventually(async () => (await users.findOne({ _id: user.id })).outbox.length === 0)
    const before = await users.findOne({ _id: user.id })
    const answer = await send(method, `/api/v1/users/${user.id}`, body, token, { 'if-match': ifMatch })
    return { answer, before, after: await users.findOne({ _id: user.id }) }
  }

  for (const ifMatch of ['"1"', '"7", "1"', '*']) {
    t.test(`${method} with If-Match: ${ifMatch} changes version 1`, async (t) => {
      const { answer, after } = await on(ifMatch)
      t.match({ status: answer.status, version: after.version }, { status: done, version: 2 })
      t.equal(answer.headers.get('etag'), '"2"')
    })
  }

  for (const ifMatch of ['"2"', 'W/"1"', '"11", "0"']) {
    t.test(`${method} with If-Match: ${ifMatch} is refused for version 1 and changes nothing`, async (t) => {
      const { answer, before, after } = await on(ifMatch)
      t.match(answer, { status: 412, body: { code: 'precondition-failed' } })
      t.strictSame(after, before)
    })
  }

  for (const [ifNoneMatch, status] of [
    ['*', 412],
    ['"7", W/"1"', 412],
    ['"7"', done],
  ] as const) {
    t.test(`${method} with If-None-Match: ${ifNoneMatch} is answered ${status}`, async (t) => {
      const { user, token } = await newUser()
      const headers = { 'if-none-match': ifNoneMatch }
      t.equal((await send(method, `/api/v1/users/${user.id}`, body, token, headers)).status, status)
    })
  }

  for (const ifMatch of ['1', '"1', '', '"1" "2"', '*, "1"']) {
    t.test(`${method} with If-Match: ${ifMatch || 'nothing'} is malformed and changes nothing`, async (t) => {
      const { answer, before, after } = await on(ifMatch)
      t.match(answer, { status: 400, body: { code: 'validation-failed', errors: [{ pointer: '#/headers/if-match' }] } })
      t.strictSame(after, before)
    })
  }

  t.test(`${method} of a deleted user is 404, whatever the condition`, async (t) => {
    const { user, token } = await newUser()
    await send('DELETE', `/api/v1/users/${user.id}`, undefined, token)
    for (const ifMatch of ['"1"', '*'])
      t.equal((await send(method, `/api/v1/users/${user.id}`, body, admin.token, { 'if-match': ifMatch })).status, 404)
  })
}

t.test('one of many concurrent updates of a version succeeds, the others get 412', async (t) => {
  const { user, token } = await newUser()
  const names = Array.from({ length: 10 }, (_, n) => `Jane ${n}`)
  const answers = await Promise.all(
    names.map((name) =>
      send('PUT', `/api/v1/users/${user.id}`, { name, roles: ['buyer'] }, token, { 'if-match': '"1"' }),
    ),
  )
  const done = answers.filter(({ status }) => status === 200)
  t.equal(done.length, 1)
  t.equal(answers.filter(({ status, body }) => status === 412 && body.code === 'precondition-failed').length, 9)
  t.match(await users.findOne({ _id: user.id }), { version: 2, name: done[0]?.body.name })
})

t.test('a stranger is refused before the version is compared', async (t) => {
  const { user } = await newUser()
  const stranger = await newUser()
  const answer = await send('PUT', `/api/v1/users/${user.id}`, update, stranger.token, { 'if-match': '"9"' })
  t.match(answer, { status: 403, body: { code: 'not-allowed' } })
})
