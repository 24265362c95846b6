import { readdirSync, readFileSync } from 'node:fs'
import { eventually, runProgram } from '@cqrs/local-stack/testing'
import argon2 from 'argon2'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t)
const { send, newUser, database, server } = api

const register = (email: string, password: string, name = 'Jane Miller') =>
  ['POST', '/api/v1/auth/register', { email, password, name, roles: ['buyer'] }] as const

t.test('PASSWORD_DENY_COMMON rejects common passwords and those made of known words', async (t) => {
  const { send, database, replicaEnv, lines } = await startCommandApi(t, { PASSWORD_DENY_COMMON: 'on' })
  for (const password of ['password123', 'jane.miller', 'janemiller2026']) {
    t.match(await send(...register('jane.miller@example.com', password)), {
      status: 400,
      body: { code: 'password-too-common', detail: String },
    })
  }
  t.equal(await database.db.collection('users').countDocuments(), 0)
  t.equal((await send(...register('jane.miller@example.com', 'correct horse battery'))).status, 201)
  const admin = await runProgram('command-api', 'programs/create-admin.js', ['boss@example.com'], {
    ...replicaEnv,
    ADMIN_PASSWORD: 'password123',
  })
  t.match(admin, { code: 1, output: /not created: It is on a list of common passwords/ })
  t.notMatch(lines.join('\n'), /password123|janemiller/)
})

t.test('passwords are not trimmed or cut, and a letter is the same composed or decomposed', async (t) => {
  const composed = 'pässwörd'.normalize('NFC')
  for (const [n, password] of [
    '  spaces  ',
    composed,
    composed.normalize('NFD'),
    'x'.repeat(128),
    '🐎'.repeat(128),
    'nul\u0000 within',
  ].entries()) {
    const email = `${n}@example.com`
    t.equal((await send(...register(email, password))).status, 201)
    const logIn = async (attempt: string) =>
      (await send('POST', '/api/v1/auth/login', { email, password: attempt })).status
    t.equal(await logIn(password), 200)
    for (const form of ['NFC', 'NFD']) t.equal(await logIn(password.normalize(form)), 200, `typed in ${form}`)
    for (const other of [password.trim(), password.slice(0, -2)])
      if (other !== password) t.equal(await logIn(other), 401, JSON.stringify(other))
  }
})

t.test('a digest of a password that was not composed opens the account', async (t) => {
  const { user, email } = await newUser()
  const decomposed = 'pässwörd'.normalize('NFD')
  const passwordHash = await argon2.hash(decomposed, { memoryCost: 19_456, timeCost: 2, parallelism: 1 })
  await database.db.collection<any>('users').updateOne({ _id: user.id }, { $set: { passwordHash } })
  const logIn = async (password: string) => (await send('POST', '/api/v1/auth/login', { email, password })).status
  t.equal(await logIn(decomposed), 200)
  t.equal(await logIn('passwort'), 401)
})

t.test('half a surrogate pair is refused wherever a password is sent', async (t) => {
  const { user, email, password, token } = await newUser()
  const half = 'password\ud83d'
  const change = `/api/v1/users/${user.id}/password`
  const refused = { status: 400, body: { code: 'validation-failed' } }
  t.match(await send(...register('other@example.com', half)), refused)
  t.match(await send('POST', '/api/v1/auth/login', { email, password: half }), refused)
  t.match(await send('POST', change, { currentPassword: half, newPassword: 'a new password' }, token), refused)
  t.match(await send('POST', change, { currentPassword: password, newPassword: half }, token), refused)
})

t.test('a login rehashes the password with raised parameters and changes nothing else of the user', async (t) => {
  const { user, email, password } = await newUser()
  const users = database.db.collection<any>('users')
  const before = await users.findOne({ _id: user.id }, { projection: { outbox: 0, pendingSince: 0 } })
  const replica = await api.replica({ ARGON2_ITERATIONS: '3' })
  const logIn = async (url: string, attempt = password) => {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ email, password: attempt })
    return (await fetch(`${url}/api/v1/auth/login`, { method: 'POST', headers, body })).status
  }
  t.equal(await logIn(replica.url, 'wrong password'), 401)
  t.equal((await users.findOne({ _id: user.id })).passwordHash, before.passwordHash)
  t.equal(await logIn(replica.url), 200)
  const after = await users.findOne({ _id: user.id }, { projection: { outbox: 0, pendingSince: 0 } })
  t.match(after.passwordHash, /^\$argon2id\$v=19\$m=19456,p=1,t=3\$/)
  t.strictSame({ ...after, passwordHash: '' }, { ...before, passwordHash: '' })
  t.equal(await logIn(replica.url), 200)
  t.equal((await users.findOne({ _id: user.id })).passwordHash, after.passwordHash, 'once')
})

// Only Linux has a priority for each thread.
if (process.platform === 'linux') {
  t.test('hashing threads have a lower priority than the thread that answers requests', async (t) => {
    await newUser()
    const threads = `/proc/${server.pid}/task`
    /** The nice values of the threads with this name, as proc_pid_stat(5) has them. */
    const niceness = (name: string) =>
      readdirSync(threads)
        .map((id) => readFileSync(`${threads}/${id}/stat`, 'utf8').match(/^\d+ \((.*)\) (.*)$/s) ?? [])
        .flatMap(([, comm, rest]) => (comm === name ? [Number(rest?.split(' ')[16])] : []))
    const [ofRequests = Number.NaN] = niceness(readFileSync(`/proc/${server.pid}/comm`, 'utf8').trim())
    const givesWay = await eventually(() => {
      const ofHashes = niceness('libuv-worker')
      return ofHashes.length === 4 && ofHashes.every((nice) => nice > ofRequests)
    })
    t.ok(givesWay)
  })
}
