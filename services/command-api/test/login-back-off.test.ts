import { createHash } from 'node:crypto'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t, { TRUSTED_PROXIES: '127.0.0.1' })
const { send, newUser, database } = api
const users = database.db.collection<any>('users')
const failures = database.db.collection<any>('login_back_off')

/** Logs in from an address. */
const logIn = (email: string, password: string, from = '198.51.100.1') =>
  send('POST', '/api/v1/auth/login', { email, password }, undefined, { 'x-forwarded-for': from })

/** Fails until the account waits for this address. */
async function failing(email: string, from?: string) {
  for (let n = 0; n < 5; n++) t.equal((await logIn(email, 'wrong password', from)).status, 401)
}
/** Ends the current waits. */
const waited = () => failures.updateMany({ waitsUntil: { $exists: true } }, { $set: { waitsUntil: new Date(0) } })
const overallOf = (email: string, set: object) =>
  failures.updateOne(
    { _id: idOf(email) },
    { $set: { expiresAt: new Date(Date.now() + 3_600_000), ...set } },
    { upsert: true },
  )

t.test('after five failures the right password is rejected for a second, and then works', async (t) => {
  const { email, password } = await newUser()
  await failing(email)
  t.match(await logIn(email, password), { status: 401, body: { code: 'invalid-credentials' } })
  await eventually(async () => (await logIn(email, password)).status === 200)
  for (let n = 0; n < 4; n++) await logIn(email, 'wrong password')
  t.equal((await logIn(email, password)).status, 200, 'the count starts again')
})

t.test('a wait affects neither another source nor another account', async (t) => {
  const { email, password } = await newUser()
  const other = await newUser()
  await failing(email)
  t.equal((await logIn(email, password)).status, 401)
  t.equal((await logIn(email, password, '203.0.113.1')).status, 200)
  t.equal((await logIn(other.email, other.password)).status, 200)
})

t.test('a wait applies in every replica', async (t) => {
  const { email, password } = await newUser()
  const replica = await api.replica()
  await failing(email)
  await overallOf(email, {}) // the request to the second process may take a moment: make the wait longer
  await failures.updateMany(
    { waitsUntil: { $gt: new Date() } },
    { $set: { waitsUntil: new Date(Date.now() + 60_000) } },
  )
  const response = await fetch(`${replica.url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': '198.51.100.1' },
    body: JSON.stringify({ email, password }),
  })
  t.equal(response.status, 401)
  await waited()
})

t.test('waits double up to a quarter of an hour, and attempts during a wait do not lengthen it', async (t) => {
  const { email } = await newUser()
  await failing(email)
  const own = () => failures.findOne({ _id: new RegExp(`^${idOf(email)} `), failures: { $gt: 0 } })
  for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
    const { waitsUntil, failedAt } = await own()
    t.equal((waitsUntil - failedAt) / 1_000, seconds)
    await failures.updateMany(
      { _id: new RegExp(`^${idOf(email)}`) },
      { $set: { waitsUntil: new Date(Date.now() + 60_000) } },
    )
    const before = await own()
    await logIn(email, 'wrong password')
    t.strictSame({ ...(await own()), expiresAt: 0 }, { ...before, expiresAt: 0 }, 'an attempt during the wait')
    await waited()
    await logIn(email, 'wrong password')
  }
})

t.test('failures expire after an hour', async (t) => {
  const { email, password } = await newUser()
  await failing(email)
  await waited()
  await failures.updateMany({}, { $set: { failedAt: new Date(Date.now() - 3_700_000) } })
  await logIn(email, 'wrong password')
  t.equal((await logIn(email, password)).status, 200)
})

t.test('guesses from many addresses make the account wait for unknown addresses', async (t) => {
  const { email, password } = await newUser()
  t.equal((await logIn(email, password, '192.0.2.1')).status, 200, 'known from now on')
  await overallOf(email, { failures: 49, failedAt: new Date() })
  t.equal((await logIn(email, 'wrong password', '203.0.113.9')).status, 401)
  await overallOf(email, { waitsUntil: new Date(Date.now() + 60_000) })
  t.equal((await logIn(email, password, '203.0.113.10')).status, 401, 'from an unknown address')
  t.equal((await logIn(email, password, '192.0.2.1')).status, 200, 'from an address that the user logged in from')
  await waited()
  t.equal((await logIn(email, password, '203.0.113.10')).status, 200, 'after the wait')
  await overallOf(email, { failures: 200, failedAt: new Date() })
  await logIn(email, 'wrong password', '203.0.113.9')
  const { waitsUntil, failedAt } = await failures.findOne({ _id: idOf(email) })
  t.equal((waitsUntil - failedAt) / 1_000, 60, 'a minute at most')
})

t.test('of many concurrent guesses only the first few are checked', async (t) => {
  const { email, password } = await newUser()
  const guesses = [...Array.from({ length: 30 }, (_, n) => `wrong password ${n}`), password]
  const statuses = (await Promise.all(guesses.map((guess) => logIn(email, guess)))).map(({ status }) => status)
  t.notOk(statuses.includes(200), statuses.join())
})

t.test('every failure gets the same answer, and the audit log has its reason', async (t) => {
  const known = await newUser()
  const inactive = await newUser()
  await users.updateOne({ _id: inactive.user.id }, { $set: { isActive: false } })
  const waiting = await newUser()
  await failing(waiting.email)
  api.logs.length = 0
  const attempts = [
    ['nobody@example.com', 'password123', 'unknown-address'],
    [known.email, 'wrong password', 'wrong-password'],
    [inactive.email, inactive.password, 'deactivated'],
    [waiting.email, waiting.password, 'backed-off'],
  ] as const
  const answers = []
  for (const [email, password] of attempts) {
    const { status, headers, body } = await logIn(email, password)
    const { date, ...rest } = Object.fromEntries(headers)
    answers.push({ status, body, headers: rest })
  }
  t.match(answers[0], { status: 401, body: { code: 'invalid-credentials' } })
  for (const answer of answers) t.strictSame(answer, answers[0])
  const reasons = await eventually(async () => {
    const lines = api.logs.filter(({ msg }) => msg === 'audit')
    return lines.length === attempts.length && lines.map(({ reason }) => reason)
  })
  t.strictSame(
    reasons,
    attempts.map(([, , reason]) => reason),
  )
})

t.test('no address is stored, and a deletion of the user deletes everything', async (t) => {
  const { user, email, password, token } = await newUser()
  await failing(email)
  await logIn(email, password, '203.0.113.77')
  const kept = await failures.find({ _id: new RegExp(`^${idOf(email)}`) }).toArray()
  t.equal(kept.length, 4, 'overall, and from three addresses')
  t.notMatch(JSON.stringify(kept), new RegExp(`${email}|203.0.113|198.51.100`))
  await send('DELETE', `/api/v1/users/${user.id}`, undefined, token)
  t.equal(await failures.countDocuments({ _id: new RegExp(`^${idOf(email)}`) }), 0)
})

function idOf(email: string): string {
  return createHash('sha256').update(email).digest('base64url')
}
