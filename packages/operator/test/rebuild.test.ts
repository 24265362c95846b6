import { type UserEvent, type UserStatsSums, userStatsSums } from '@cqrs/contracts'
import { eventually, startProgram } from '@cqrs/local-stack/testing'
import { project, projections, usersRead } from '@cqrs/projector'
import t from 'tap'
import { deleted, updated, userId } from '../../../services/projector/test/fixtures/user-events.ts'
import { startSystem } from './fixtures/system.ts'

const { broker, cli, cliProgram, database, settings, ...system } = await startSystem(t)
const { db } = database
const states = db.collection<{ _id: string; live: string; written: string[]; rebuild?: { filled: number } }>(
  'read_models',
)
const writeSide = system.writeSide()

/** Five pages. Updates, because each registration sends a mail as well. */
const count = 2_500
const revoked = { tokensFromVersion: 2, tokensRevokedAt: new Date().toISOString() }
const last: UserEvent[] = Array.from({ length: count }, (_, n) => updated(n, 2, {}, n % 2 ? revoked : undefined))
await writeSide.apply(...last)
const caughtUp = async () => {
  for (const consumer of ['users_read_v1', 'user_stats_v1']) await broker.allHandledBy(consumer)
}
await caughtUp()

const happen = async (n: number, event: UserEvent) => {
  last[n] = event
  await writeSide.apply(event)
}
const liveOf = async (name: string) => (await states.findOne({ _id: name }))?.live ?? name
const documentsIn = (name: string) =>
  db
    .collection<{ _id: string; version: number }>(name)
    .find({ version: { $exists: true } }, { projection: { revokedAt: 0 } })
    .sort({ _id: 1 })
    .toArray()
const mustBe = () => last.map((event) => project(usersRead, event))

t.test('a rebuild fills a new collection while users change and are deleted, and makes it live', async (t) => {
  await db.collection('users_read_v1').deleteMany({ _id: { $lt: userId(1_500) } } as object)
  let isOver = false
  const rebuilding = cliProgram('rebuild', 'users_read_v1').finally(() => {
    isOver = true
  })
  for (let n = 0; !isOver; n += 3) {
    await happen(n % count, n % 2 ? updated(n % count, 3 + n, { name: `Changed ${n}` }) : deleted(n % count, 3 + n))
  }
  const { code, stdout } = await rebuilding
  t.equal(code, 0)
  t.match(stdout, /^users_read_v1: 2500 users in users_read_v1_\d{17}, which is live now\n$/)
  await caughtUp()
  const live = await liveOf('users_read_v1')
  t.match(live, /^users_read_v1_\d{17}$/)
  t.strictSame(await documentsIn(live), mustBe())
  t.ok((await db.collection(live).indexes()).some(({ name }) => name === 'newest_by_role'))
})

t.test('the old collection is kept up to date for those who still read it', async (t) => {
  await happen(1, updated(1, 1_000_000, { name: 'After the switch' }))
  for (const collection of ['users_read_v1', await liveOf('users_read_v1')]) {
    const applied = { _id: userId(1), version: 1_000_000 }
    const found = await eventually(
      async () => (await db.collection<{ _id: string }>(collection).findOne(applied)) ?? false,
    )
    t.match(found, { name: 'After the switch' }, collection)
  }
})

t.test('a concurrent rebuild is refused; a rebuild that was killed is resumed', async (t) => {
  const { child, ended } = await rebuildThatHangsAfter(1_000)
  const second = await cli('rebuild', 'users_read_v1')
  t.match(second, { code: 1, stderr: /^error: a rebuild of users_read_v1 is running in another process\n$/ })

  child.kill('SIGKILL')
  await ended
  await ownerIsTakenForDead()
  writeSide.forget()
  const before = await states.findOne({ _id: 'users_read_v1' })
  await happen(2, updated(2, 2_000_000))
  const { code, stdout } = await cli('rebuild', 'users_read_v1')
  t.equal(code, 0)
  t.match(stdout, 'users_read_v1: 2500 users in ')
  t.equal(await liveOf('users_read_v1'), before?.written[0], 'it filled the same collection')
  t.strictSame(
    writeSide.asked('page').map(({ after }) => after),
    [userId(999), userId(1_499), userId(1_999), userId(2_499)],
    'what was done was not done again',
  )
  await caughtUp()
  t.strictSame(await documentsIn(await liveOf('users_read_v1')), mustBe())
})

t.test('a rebuild fails while the write side is unavailable, and can be resumed at once afterwards', async (t) => {
  await writeSide.goAway()
  const live = await liveOf('users_read_v1')
  t.match(await cli('rebuild', 'users_read_v1'), { code: 1, stderr: /^error: no command-api answered[^\n]*\n$/ })
  t.equal(await liveOf('users_read_v1'), live)
  await writeSide.comeBack()
  t.match(await cli('rebuild', 'users_read_v1'), { code: 0 })
  t.strictSame(await documentsIn(await liveOf('users_read_v1')), mustBe())
})

t.test('the statistics are rebuilt with their sums', async (t) => {
  await db.collection<{ _id: string }>('user_stats_v1').updateOne({ _id: userStatsSums }, { $inc: { users: 7 } })
  t.match(await cli('rebuild', 'user_stats_v1'), { code: 0 })
  const live = await liveOf('user_stats_v1')
  t.not(live, 'user_stats_v1')
  const sums = await db.collection<UserStatsSums>(live).findOne({ _id: userStatsSums })
  const users = last.filter(({ type }) => type !== 'UserDeleted').length
  t.match(sums, { users, active: users, byRole: { buyer: users } })
  await happen(3, deleted(3, 3_000_000))
  await caughtUp()
  t.match(await db.collection<UserStatsSums>(live).findOne({ _id: userStatsSums }), { users: users - 1 })
})

t.test('invalid arguments are named, with what there is', async (t) => {
  const names = projections.map(({ name }) => name).join(', ')
  for (const [args, error] of [
    [['rebuild'], /^error: missing required argument 'shape'/],
    [['rebuild', 'users'], `Allowed choices are ${names}.`],
    [['rebuild', 'users_read_v1', 'now'], /^error: too many arguments/],
    [['pause', 'users_read_v1', '--minutes', '0'], 'a number from 1 to 1440'],
    [['build'], /^error: unknown command 'build'[\s\S]*Commands:[\s\S]*rebuild/],
    [['rebuld', 'users_read_v1'], 'Did you mean rebuild?'],
  ] as const)
    t.match(await cli(...args), { code: 2, stdout: '', stderr: error }, args.join(' '))
  t.match(await cli(), { code: 2, stderr: /Commands:/ })
  for (const args of [['--help'], ['help'], ['help', 'dlq'], ['dlq', 'replay', '--help']])
    t.match(await cli(...args), { code: 0, stdout: /^Usage: projector /, stderr: '' }, args.join(' '))
})

/** Starts a rebuild whose write side stops responding after this many users. */
async function rebuildThatHangsAfter(filled: number) {
  const stuck = Promise.withResolvers<void>()
  writeSide.steps.before = async (_subject, { after }) => {
    if (after >= userId(filled - 1)) await stuck.promise
  }
  const { child, ended } = startProgram('operator', 'cli.js', ['rebuild', 'users_read_v1'], settings)
  await eventually(async () => (await states.findOne({ _id: 'users_read_v1' }))?.rebuild?.filled === filled)
  writeSide.steps.before = async () => {}
  return { child, ended }
}

/** As after 15 s. */
const ownerIsTakenForDead = () =>
  states.updateOne({ _id: 'users_read_v1' }, { $set: { 'rebuild.ownedUntil': new Date(0) } as object })
