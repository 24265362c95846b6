import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { contentsOf, restore } from '../faults/backup.ts'
import { differences } from '../faults/comparison.ts'
import { startSystem } from './system.ts'

const system = await startSystem(t)
const { newUser, send, write, read, servers, dataDir } = system
const isWhole = () => eventually(async () => (await differences(write, read)).length === 0)

t.test('the write database is restored from an older backup (docs/restore.md)', async (t) => {
  const path = (user: { id: string }) => `/api/v1/users/${user.id}`
  const rename = (user: { id: string; token: string }, name: string) =>
    send('PUT', path(user), { name, roles: ['buyer'] }, user.token)
  const several = (count: number) =>
    Promise.all(Array.from({ length: count }, (_, n) => newUser({ email: `${n}-${count}@example.com` })))
  const kept = await several(20)
  const [changed, deleted, loggedOut] = kept as [(typeof kept)[0], (typeof kept)[0], (typeof kept)[0]]
  await rename(changed, 'In the backup')
  await isWhole()
  const backup = await contentsOf(write)

  await rename(changed, 'After the backup')
  t.equal((await send('DELETE', path(deleted), undefined, deleted.token)).status, 204)
  t.equal((await send('POST', '/api/v1/auth/logout-all', undefined, loggedOut.token)).status, 204)
  const lost = await several(12)
  await isWhole()

  await servers['command-api'].stop()
  await restore(write, backup)
  t.match(await system.usersRestored(), { code: 0, stdout: /^20 users raised to version 10000\d\d;/ })
  await servers['command-api'].start()
  await eventually(
    async () => (await read.collection('users_read_v1').countDocuments({ version: { $gt: 1e6 } })) === 20,
  )

  const held = await system.projector('verify', '--repair').ended
  t.match(held, { code: 1, stdout: /users_read_v1: .* does not know 12 users, .* --allow-deletions 12\n/ })
  t.match(await system.projector('verify', '--repair', '--allow-deletions', '12').ended, { code: 0 })
  await isWhole()

  t.equal((await rename(changed, 'Again')).status, 401, 'everybody logs in again')
  const account = { email: '2-20@example.com', password: 'password123' }
  const { accessToken: token } = (await send('POST', '/api/v1/auth/login', account)).body
  const get = (user: { id: string }) => send('GET', path(user), undefined, token)
  t.match((await get(changed)).body, { name: 'In the backup' })
  t.match((await get(deleted)).body, { name: 'Jo' }, 'a user who was deleted since is back')
  for (const user of lost) t.equal((await get(user)).status, 404, 'a user registered since is gone')
  t.equal((await rename({ ...loggedOut, token }, 'Changed')).status, 200)
  await isWhole()
  t.match(await system.projector('verify').ended, { code: 0 })
  t.equal((await system.mails()).length, 32, 'no welcome e-mail is sent again')
})

t.test('the read database, and NATS, are lost (docs/restore.md)', async (t) => {
  // Those of the drill before this one.
  const [usersBefore, mailsBefore] = [await write.collection('users').countDocuments(), (await system.mails()).length]
  const rename = ({ id, token }: { id: string; token: string }, name: string) =>
    send('PUT', `/api/v1/users/${id}`, { name, roles: ['buyer'] }, token)
  const users = [await newUser(), await newUser(), await newUser()] as const
  const mails = async () => (await system.mails()).length - mailsBefore
  await eventually(async () => (await mails()) === users.length)
  const loseRead = async () => {
    await read.dropDatabase()
    t.match(await system.migrate('projector'), { code: 0 })
  }
  const loseNats = async () => {
    await servers.nats?.kill()
    await rm(join(dataDir, 'nats/jetstream'), { recursive: true })
  }

  await t.test('the read database is lost', async (t) => {
    await loseRead()
    t.equal(await read.collection('users_read_v1').countDocuments(), 0, 'it is empty')
    t.match(await system.projector('verify', '--repair').ended, { code: 0 })
    await isWhole()
  })

  await t.test('NATS is emptied', async (t) => {
    await loseNats()
    t.equal((await rename(users[0], 'Changed without NATS')).status, 200)
    await servers.nats?.start()
    await isWhole()
  })

  await t.test('the write database is older, and the other two are lost', async (t) => {
    const backup = await contentsOf(write)
    t.equal((await rename(users[1], 'After the backup')).status, 200)
    await newUser()
    await eventually(async () => (await mails()) === users.length + 1)
    await isWhole()

    await servers['command-api']?.stop()
    await loseNats()
    await restore(write, backup)
    await servers.nats?.start()
    t.match(await system.usersRestored(), { code: 0 })
    await servers['command-api']?.start()
    await loseRead()
    await eventually(async () => (await system.projector('verify', '--repair').ended).code === 0)
    await isWhole()
    t.equal(await read.collection('users_read_v1').countDocuments(), usersBefore + users.length)
  })

  t.equal(await mails(), users.length + 1, 'no welcome e-mail is sent again')
})
