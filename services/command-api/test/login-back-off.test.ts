import { createHash, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { eventually, forge } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t, { TRUSTED_PROXIES: '127.0.0.1' })
const { send, newUser, database } = api
const users = database.db.collection<any>('users')
const failures = database.db.collection<any>('login_back_off')

/** Logs in from an address. */
const logIn = (email: string, password: string, from = '198.51.100.1', deviceToken?: string) =>
  send('POST', '/api/v1/auth/login', { email, password, deviceToken }, undefined, {
    'x-forwarded-for': from,
    // Answers name their request; here all have the same name.
    'x-request-id': 'a-login',
  })

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

/** Lets the account wait for a minute for every source that is not known. */
const makeWait = (email: string) => overallOf(email, { waitsUntil: new Date(Date.now() + 60_000) })
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

for (const [addresses, address] of [
  ['of one /48 of IPv6', (n: number) => `2001:db8:7:${n.toString(16)}::1`],
  ['of IPv4', (n: number) => `203.0.${n >> 8}.${n & 255}`],
] as const) {
  t.test(`guesses from many addresses ${addresses} do not keep out a device that has logged in before`, async (t) => {
    const { email, password } = await newUser()
    const { deviceToken } = (await logIn(email, password, '192.0.2.1')).body
    const attack = (from: number) =>
      Array.from({ length: 15 }, (_, n) => logIn(email, 'wrong password', address(from + n)))
    await overallOf(email, { failures: 40, failedAt: new Date() }) // of an attack that began a moment ago
    const guesses = await Promise.all(attack(0))
    t.ok(guesses.every(({ status }) => status === 401))
    t.ok((await failures.findOne({ _id: idOf(email) })).waitsUntil, 'the attack has an effect')
    await makeWait(email)
    t.equal((await logIn(email, password, '198.51.100.7')).status, 401, 'from a new address without a token')
    const [owner] = await Promise.all([logIn(email, password, '198.51.100.8', deviceToken), ...attack(100)])
    t.equal(owner.status, 200, 'from a new address with the token')
    t.equal((await logIn(email, password, '198.51.100.8')).status, 200, 'that address is known from now on')
    t.equal((await logIn(email, password, '192.0.2.1', deviceToken)).status, 200, 'from a known address with the token')
  })
}

t.test('the wait of a source does not apply to a known device there, and stays', async (t) => {
  const { email, password } = await newUser()
  const { deviceToken } = (await logIn(email, password, '192.0.2.1')).body
  await failing(email, '192.0.2.1')
  const lengthened = { waitsUntil: new Date(Date.now() + 60_000) }
  await failures.updateMany(
    { _id: new RegExp(`^${idOf(email)} `), waitsUntil: { $exists: true } },
    { $set: lengthened },
  )
  t.equal((await logIn(email, password, '192.0.2.1', deviceToken)).status, 200)
  t.equal((await logIn(email, password, '192.0.2.1')).status, 401)
})

t.test('a device token that is not valid for the user has no effect', async (t) => {
  const { user, email, password, token: accessToken } = await newUser()
  const tokenOf = async (email: string, password: string) =>
    (await logIn(email, password, '192.0.2.1')).body.deviceToken
  const before = await tokenOf(email, password)
  await send('POST', '/api/v1/auth/logout-all', undefined, accessToken)
  const beforeChange = await tokenOf(email, password)
  const { body } = await logIn(email, password)
  const change = { currentPassword: password, newPassword: 'another password' }
  t.equal((await send('POST', `/api/v1/users/${user.id}/password`, change, body.accessToken)).status, 200)
  const good = await tokenOf(email, change.newPassword)
  const other = await newUser()
  // Its version is no lower, so only the user tells its token from one that is valid.
  for (const name of ['A', 'B', 'C'])
    await send('PUT', `/api/v1/users/${other.user.id}`, { name, roles: ['buyer'] }, other.token)
  const key = readFileSync(api.replicaEnv.JWT_SIGNING_KEY_FILE ?? '', 'utf8')
  const anotherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const useless = {
    'of another user': await tokenOf(other.email, other.password),
    'from before the sessions were ended': before,
    'from before a change of the password': beforeChange,
    expired: forge(good, { claims: { exp: Math.floor(Date.now() / 1_000) - 1 }, key }),
    'without an end': forge(good, { claims: { exp: undefined }, key }),
    'of another issuer': forge(good, { claims: { iss: 'https://evil.example' }, key }),
    'for another audience': forge(good, { claims: { aud: 'cqrs-user-service' }, key }),
    'of another type': forge(good, { header: { typ: 'JWT' }, key }),
    'an access token': (await logIn(email, change.newPassword)).body.accessToken,
    modified: forge(good, { claims: { jti: 'another' } }),
    'by another key': forge(good, { key: anotherKey.export({ type: 'pkcs8', format: 'pem' }).toString() }),
    'by no key': forge(good, { header: { alg: 'none' } }).replace(/[^.]*$/, ''),
    'of an unknown key': forge(good, { header: { kid: 'unknown' }, key }),
    garbage: 'garbage',
    nothing: '',
  }
  await makeWait(email)
  const refused = await logIn(email, change.newPassword, '203.0.113.200')
  t.equal(refused.status, 401)
  for (const [n, [what, token]] of Object.entries(useless).entries()) {
    const { status, body } = await logIn(email, change.newPassword, `203.0.113.${n}`, token)
    t.strictSame({ status, body }, { status: 401, body: refused.body }, what)
  }
  t.equal((await logIn(email, change.newPassword, '203.0.113.201', good)).status, 200)
  await waited()
  const { status, body: renewed } = await logIn(email, change.newPassword, '203.0.113.202', useless.modified)
  t.equal(status, 200, 'without a wait it does no harm')
  t.not(claimsOf(renewed.deviceToken).jti, 'another')
})

t.test('a stolen device token allows as many guesses as one source, and locks out no other', async (t) => {
  const { email, password } = await newUser()
  const { deviceToken } = (await logIn(email, password, '192.0.2.1')).body
  for (let n = 0; n < 5; n++) await logIn(email, 'wrong password', `203.0.113.${n}`, deviceToken)
  const { failures: counted } = await failures.findOne({ _id: new RegExp(`^${idOf(email)} `), failures: { $gt: 0 } })
  t.equal(counted, 5)
  await failures.updateMany({ waitsUntil: { $exists: true } }, { $set: { waitsUntil: new Date(Date.now() + 60_000) } })
  t.equal((await logIn(email, password, '203.0.113.9', deviceToken)).status, 401, 'wherever it is used')
  t.equal((await logIn(email, password, '203.0.113.9')).status, 200)
  await waited()
  const renewed = await logIn(email, password, '203.0.113.9', deviceToken)
  t.equal(claimsOf(renewed.body.deviceToken).jti, claimsOf(deviceToken).jti, 'a renewed token is of the same device')
  for (let n = 0; n < 4; n++) await logIn(email, 'wrong password', '203.0.113.9', renewed.body.deviceToken)
  t.equal((await logIn(email, password, '203.0.113.9', deviceToken)).status, 200, 'a success resets the count')
})

t.test('of many concurrent guesses only the first few are checked', async (t) => {
  const { email } = await newUser()
  api.logs.length = 0
  await Promise.all(Array.from({ length: 30 }, (_, n) => logIn(email, `wrong password ${n}`)))
  const reasons = await eventually(() => {
    const lines = api.logs.filter(({ msg }) => msg === 'audit')
    return lines.length === 30 && lines.map(({ reason }) => reason)
  })
  const checked = reasons.filter((reason) => reason === 'wrong-password').length
  // More than five where the first waits, of 1 s and 2 s, are over before all are answered.
  t.ok(checked >= 5 && checked <= 10, `${checked} of 30 were checked`)
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
  const { deviceToken } = (await logIn(email, password, '203.0.113.77')).body
  await logIn(email, 'wrong password', '203.0.113.78', deviceToken)
  const kept = await failures.find({ _id: new RegExp(`^${idOf(email)}`) }).toArray()
  t.equal(kept.length, 5, 'overall, from three addresses, and from a device')
  t.notMatch(JSON.stringify(kept), new RegExp(`${email}|203.0.113|198.51.100|${claimsOf(deviceToken).jti}`))
  await send('DELETE', `/api/v1/users/${user.id}`, undefined, token)
  t.equal(await failures.countDocuments({ _id: new RegExp(`^${idOf(email)}`) }), 0)
})

function idOf(email: string): string {
  return createHash('sha256').update(email).digest('base64url')
}
