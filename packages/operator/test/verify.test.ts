import { type UserStatsSums, userStatsSums } from '@cqrs/contracts'
import { ConsumerProgress } from '@cqrs/projector'
import t from 'tap'
import { deleted, updated, userId } from '../../../services/projector/test/fixtures/user-events.ts'
import { startSystem } from './fixtures/system.ts'

const { broker, cli, cliProgram, database, projector, users, ...system } = await startSystem(t)
const writeSide = system.writeSide()
const shares = database.db.collection<any>('user_stats_v1')

const live = ['users_read_v1', 'user_stats_v1', 'user_directory_v2']

/** Two pages, and two deleted users. */
await writeSide.apply(...Array.from({ length: 1_500 }, (_, n) => updated(n, 2)), deleted(1_600, 2), deleted(1_601, 2))
const caughtUp = async () => {
  for (const consumer of ['users_read_v1', 'user_stats_v1']) await broker.allHandledBy(consumer)
}
await caughtUp()

t.test('equal sides transfer no data', async (t) => {
  t.match(await cliProgram('verify'), {
    code: 0,
    output: live.map((name) => `${name}: 1500 users compared, 0 differ\n`).join(''),
  })
  t.equal(writeSide.asked('digest').length, 6, 'two pages for each read model')
  t.strictSame(writeSide.asked('versions'), [])
  t.strictSame(writeSide.asked('page'), [])
})

t.test('an event that is not applied yet is not a difference', async (t) => {
  writeSide.record(updated(1, 3))
  writeSide.steps.before = async (subject) => {
    if (!/versions$/.test(subject)) return
    writeSide.steps.before = async () => {}
    await writeSide.apply(updated(1, 3), updated(1_700, 1))
  }
  t.match(await cli('verify'), { code: 0, stdout: /users_read_v1: 1501 users compared, 0 differ/ })
  t.ok(writeSide.asked('versions').length > 0, 'it had looked closer')
})

const orphan = userId(13).replace('-3b5e-', '-3b5d-')

t.test('an event that is not published yet is not a difference', async (t) => {
  await caughtUp()
  writeSide.record(updated(2, 3))
  writeSide.pending.add(userId(2))
  t.match(await cli('verify'), { code: 0 })
  writeSide.pending.clear()
  await writeSide.apply(updated(2, 3))
})

t.test('users that differ are listed by kind, and only their page is compared in detail', async (t) => {
  await caughtUp()
  await users.deleteOne({ _id: userId(10) })
  await users.updateOne({ _id: userId(11) }, { $set: { version: 1, name: 'Stale' } })
  await users.updateOne({ _id: userId(12) }, { $set: { version: 9 } })
  const known = await users.findOne({ _id: userId(13) })
  if (known) await users.insertOne({ ...known, _id: orphan })
  await users.updateOne({ _id: userId(14) }, { $set: { name: 'Other' } })
  await users.updateOne({ _id: userId(15) }, { $unset: { isSeller: true } })
  const tombstone = { version: 7, deletedAt: new Date(), expiresAt: new Date(2e12) }
  await users.replaceOne({ _id: userId(16) }, tombstone as never)
  await shares.updateOne({ _id: userId(17) }, { $set: { isActive: false } })
  await shares.updateOne({ _id: userStatsSums }, { $inc: { users: 999, 'byRole.buyer': -2_000 } })
  writeSide.forget()
  const { code, stdout } = await cli('verify')
  t.equal(code, 1)
  t.strictSame(stdout.split('\n').sort(), [
    '',
    'user_directory_v2: 1501 users compared, 0 differ',
    `user_stats_v1  differs  ${userId(17)}  read 2, write 2`,
    'user_stats_v1  wrong sum  active  too high by 1',
    'user_stats_v1  wrong sum  byRole.buyer  too low by 2000',
    'user_stats_v1  wrong sum  users  too high by 999',
    'user_stats_v1: 1501 users compared, 2 differ',
    `users_read_v1  ahead  ${userId(12)}  read 9, write 2`,
    `users_read_v1  buried  ${userId(16)}  read 7, write 2`,
    `users_read_v1  differs  ${userId(14)}  read 2, write 2`,
    `users_read_v1  differs  ${userId(15)}  read 2, write 2`,
    `users_read_v1  missing  ${userId(10)}  read 0, write 2`,
    `users_read_v1  orphaned  ${orphan}  read 2, write 0`,
    `users_read_v1  stale  ${userId(11)}  read 1, write 2`,
    'users_read_v1: 1501 users compared, 7 differ',
  ])
  for (const range of writeSide.asked('versions')) t.match(range, { after: '', upTo: userId(999) })
  t.strictSame(writeSide.asked('republish'), [], 'it only looks')
})

t.test('--repair repairs all of them but those that are ahead: there the write side has lost something', async (t) => {
  t.match(await cli('verify', '--repair'), {
    code: 1,
    stdout:
      /users_read_v1: 6 events published\nusers_read_v1: 1 differ after the repair\n.*user_stats_v1: 0 differ after/s,
  })
  t.match(await users.findOne({ _id: userId(10) }), { version: 2, name: 'User 10' })
  t.match(await users.findOne({ _id: userId(11) }), { version: 2, name: 'User 11' })
  t.match(await users.findOne({ _id: orphan }), { deletedAt: Date })
  t.match(await users.findOne({ _id: userId(14) }), { version: 3, name: 'User 14' }, 'one version has one content')
  t.match(await users.findOne({ _id: userId(15) }), { version: 3, isSeller: false })
  t.match(await users.findOne({ _id: userId(16) }), { version: 8, name: 'User 16' })
  t.match(await shares.findOne({ _id: userId(17) }), { version: 3, isActive: true })
  t.match(await shares.findOne({ _id: userStatsSums }), { users: 1_501, active: 1_501, byRole: { buyer: 1_501 } })

  await writeSide.apply(updated(12, 10))
  await caughtUp()
  t.match(await cli('verify', '--repair'), { code: 0 })
})

t.test('statistics are compared user by user, and their sums are right after a repair', async (t) => {
  writeSide.record(deleted(20, 3), updated(21, 3, { roles: ['seller'] }), updated(1_800, 1))
  t.match(await cli('verify', '--repair'), { code: 0, stdout: /^user_stats_v1: (1501 users compared, )?0 differ/m })
  await caughtUp()
  const sums = await database.db.collection<UserStatsSums>('user_stats_v1').findOne({ _id: userStatsSums })
  t.match(sums, { users: 1_501, active: 1_501, byRole: { buyer: 1_500, seller: 1 } })
  t.equal(await shares.countDocuments({ version: { $exists: true }, deletedAt: { $exists: false } } as object), 1_501)
})

t.test('more orphans than 10 and 1 % are deleted only if a person allows it', async (t) => {
  await caughtUp()
  const known = await users.findOne({ _id: userId(13) })
  const orphans = Array.from({ length: 20 }, (_, n) => userId(n).replace('-3b5e-', '-3b5c-'))
  if (known) await users.insertMany(orphans.map((_id) => ({ ...known, _id })))
  const shown = () => users.countDocuments({ _id: { $in: orphans }, deletedAt: { $exists: false } } as object)
  writeSide.forget()
  t.match(await cli('verify', '--repair'), {
    code: 1,
    stdout: /users_read_v1: .* does not know 20 users, .*: npm run projector -- verify --repair --allow-deletions 20\n/,
  })
  t.equal(await shown(), 20)
  t.strictSame(writeSide.asked('republish'), [])
  t.match(await cli('verify', '--repair', '--allow-deletions', '20'), { code: 0 })
  t.equal(await shown(), 0)
})

t.test('the answers of another write database are refused until a person follows it', async (t) => {
  const [followed, foreign] = [writeSide.identity.writeDatabase, crypto.randomUUID() as string]
  writeSide.identity.writeDatabase = foreign
  writeSide.forget()
  const message = `follow the write database ${followed}, but ${foreign} answers;.* projector -- follow ${foreign}\n`
  t.match(await cli('verify', '--repair'), { code: 1, stdout: '', stderr: new RegExp(message) })
  t.match(await cli('rebuild', 'users_read_v1'), { code: 1, stderr: new RegExp(message) })
  t.strictSame(writeSide.asked('republish'), [])
  t.match(await cli('follow', 'me'), { code: 2 })
  t.match(await cliProgram('follow', foreign), { code: 0, stdout: new RegExp(`${foreign}; before: ${followed}`) })
  t.match(await cli('verify'), { code: 0 })
})

t.test('while the projector is behind, the comparison fails', async (t) => {
  await projector.server.stop()
  await writeSide.apply(updated(30, 5))
  // Each read model would wait for 10 s.
  const { hasCaughtUp } = ConsumerProgress.prototype
  t.intercept(ConsumerProgress.prototype, 'hasCaughtUp', {
    value(this: ConsumerProgress, name: string) {
      return hasCaughtUp.call(this, name, 1_000)
    },
  })
  t.match(await cli('verify'), {
    code: 1,
    stdout: '',
    stderr:
      /^error: users_read_v1: users_read_v1 has not applied all events[^\n]*\n(error: user_\w+_v[12]: [^\n]*\n){2}$/,
  })
})

t.test('without the write side the error is one line for each read model', async (t) => {
  await writeSide.goAway()
  t.match(await cli('verify'), { code: 1, stderr: /^error: users_read_v1: no command-api answered[^\n]*\n/ })
  t.match(await cli('verify', '--fix'), { code: 2, stderr: /^error: unknown option '--fix'/ })
  t.match(await cli('verify', '--allow-deletions', '3'), {
    code: 1,
    stderr: /^error: --allow-deletions needs --repair/,
  })
})
