import { readSeen, saw } from '@cqrs/local-stack/testing'
import t from 'tap'
import { unseen } from '../../nothing-untested.ts'

const getUser = {
  operationId: 'getUser' as const,
  responses: {
    200: { content: { 'application/json': { schema: {} } } },
    304: {},
    404: refusal('user-not-found'),
    503: refusal('storage-unavailable', 'overloaded', 'upstream-unavailable'),
  },
}
const promises = {
  api: { paths: { '/api/v1/users/{id}': { get: getUser } } },
  events: { components: { messages: { UserCreated: {} } } },
  codes: { 'user-not-found': [404], overloaded: [503] },
  exceptions: {},
}
const everything = [
  'getUser 200',
  'getUser 304',
  'getUser 404 user-not-found',
  'getUser 503 storage-unavailable',
  'problem user-not-found',
  'problem overloaded',
  'event UserCreated published',
  'event UserCreated applied',
]

t.test('nothing is missing where tests have seen every promise', async (t) => {
  t.strictSame(unseen(new Set(everything), promises), [])
})

t.test('each promise that no test has seen is named', async (t) => {
  for (const name of everything) {
    const others = everything.filter((other) => other !== name)
    t.strictSame(unseen(new Set(others), promises), [`no test has seen: ${name}`])
  }
})

t.test('a new route, event type or problem code without a test is found', async (t) => {
  const seen = new Set(everything)
  const logOut = { operationId: 'logOut' as const, responses: { 204: {}, 401: refusal('token-missing') } }
  const paths = { ...promises.api.paths, '/api/v1/auth/logout': { post: logOut } }
  t.strictSame(unseen(seen, { ...promises, api: { paths } }), [
    'no test has seen: logOut 204',
    'no test has seen: logOut 401 token-missing',
  ])
  t.strictSame(
    unseen(seen, { ...promises, events: { components: { messages: { UserCreated: {}, UserMerged: {} } } } }),
    ['no test has seen: event UserMerged published', 'no test has seen: event UserMerged applied'],
  )
  t.strictSame(unseen(seen, { ...promises, codes: { ...promises.codes, 'user-asleep': [409] } }), [
    'no test has seen: problem user-asleep',
  ])
})

t.test('an exception takes the place of a test, until it is not needed any more', async (t) => {
  const [first = '', ...others] = everything
  const exceptions = { [first]: 'the reason' }
  t.strictSame(unseen(new Set(others), { ...promises, exceptions }), [])
  t.strictSame(unseen(new Set(everything), { ...promises, exceptions }), [`an exception that is not needed: ${first}`])
})

t.test('without any test, every operation, problem code and event type of the descriptions is named', async (t) => {
  const names = unseen(new Set())
  for (const name of [
    'registerUser 201',
    'userStats 401 token-revoked',
    'problem internal',
    'event UserDeleted applied',
  ])
    t.ok(names.includes(`no test has seen: ${name}`), name)
  t.notOk(
    names.some((name) => /\d+ (internal|upstream-unavailable)$/.test(name)),
    'not on each operation',
  )
})

t.test('what several processes record is read together', async (t) => {
  const directory = t.testdir({ 1: 'getUser 200\nproblem internal\n' })
  const { SEEN_DIR } = process.env
  t.teardown(() => {
    if (SEEN_DIR) process.env.SEEN_DIR = SEEN_DIR
    else delete process.env.SEEN_DIR
  })
  process.env.SEEN_DIR = directory
  saw('getUser 304')
  saw('getUser 304')
  t.strictSame(readSeen(directory), new Set(['getUser 200', 'problem internal', 'getUser 304']))
})

function refusal(...codes: string[]) {
  const schema = { allOf: [{ properties: { code: { enum: codes as never[] } } }] }
  return { content: { 'application/problem+json': { schema } } }
}
