import { deepStrictEqual as deepEqual } from 'node:assert'
import { type UserEvent, type UserStatsSums, userStatsSums } from '@cqrs/contracts'
import { freshDatabase } from '@cqrs/local-stack/testing'
import { ensureCollections } from '@cqrs/service-kit'
import fc from 'fast-check'
import t from 'tap'
import { userStats } from '../src/projections/user-stats.ts'
import { ReadModel } from '../src/read-store/read-model.ts'
import { deliveries, histories } from './fixtures/histories.ts'
import { created, deleted, historiesEndingWith, updated } from './fixtures/user-events.ts'
import { writer } from './fixtures/writer.ts'

const { db, uri } = await freshDatabase(t)
// One process makes the collection: MongoDB's build for Windows under wine does not survive two.
await ensureCollections(db, await new ReadModel(db, userStats).collections())
const writers = [writer(t, uri, userStats), writer(t, uri, userStats)]
const { apply } = writers[0] as (typeof writers)[0]
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

const stored = db.collection<UserStatsSums | { _id: string }>(userStats.name)
const sums = async () => nonZero((await stored.findOne({ _id: userStatsSums })) ?? {})

for (const [type, historyOf] of Object.entries(historiesEndingWith)) {
  const orders: Record<string, (history: UserEvent[]) => UserEvent[]> = {
    once: (history) => history,
    twice: (history) => history.flatMap((event) => [event, event]),
    'out of order': (history) => history.toReversed(),
    'once more at the end': (history) => [...history, ...history],
  }
  for (const [order, arrange] of Object.entries(orders)) {
    t.test(`${type} ${order} counts once`, async (t) => {
      await stored.deleteMany()
      for (const event of arrange(historyOf(1))) await apply([event])
      t.strictSame(await sums(), counted([historyOf(1)]))
    })
  }
}

t.test('roles, activity and the day of registration are counted', async (t) => {
  await stored.deleteMany()
  await apply([
    created(1, { roles: ['buyer', 'seller'], createdAt: '2026-11-23T23:59:59.999Z' }),
    created(2, { roles: ['admin'], isActive: false, createdAt: '2026-11-24T00:00:00.000Z' }),
  ])
  t.strictSame(await sums(), {
    users: 2,
    active: 1,
    byRole: { buyer: 1, seller: 1, admin: 1 },
    byDay: { '2026-11-23': 1, '2026-11-24': 1 },
  })
  await apply([updated(1, 2, { roles: ['buyer', 'admin'], createdAt: '2026-11-23T23:59:59.999Z' })])
  t.match(await sums(), { users: 2, byRole: { buyer: 1, admin: 2 } })
  await apply([deleted(1, 3), deleted(2, 2)])
  t.strictSame(await sums(), {}, 'nothing is left when all are gone')
})

t.test(`any order, any number of times, through two projectors at once: equal to counting (SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(histories().chain(deliveries), async ({ histories, batches }) => {
      await stored.deleteMany()
      await Promise.all(
        writers.map(async ({ apply }, writer) => {
          for (const batch of batches.filter((_, i) => i % writers.length === writer)) {
            await apply(batch)
            assertNotNegative(await stored.findOne({ _id: userStatsSums }))
          }
        }),
      )
      deepEqual(await sums(), counted(histories))
    }),
    { seed, numRuns: 30 },
  )
})

/** The sums, counted from the last event of each user. */
function counted(histories: UserEvent[][]) {
  const found = { users: 0, active: 0, byRole: {} as Record<string, number>, byDay: {} as Record<string, number> }
  for (const { data } of histories.flatMap((history) => history.slice(-1))) {
    if (!('user' in data)) continue
    const { roles, isActive, createdAt } = data.user
    found.users += 1
    found.active += isActive ? 1 : 0
    for (const role of roles) found.byRole[role] = (found.byRole[role] ?? 0) + 1
    const day = createdAt.slice(0, 10)
    found.byDay[day] = (found.byDay[day] ?? 0) + 1
  }
  return nonZero(found)
}

/** Without the id, sums of 0 and empty groups. */
function nonZero({ _id, ...sums }: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(sums).map(([name, value]) => [
    name,
    value instanceof Object ? nonZero(value as Record<string, unknown>) : value,
  ])
  return Object.fromEntries(
    entries.filter(([, value]) => value !== 0 && (!(value instanceof Object) || Object.keys(value).length > 0)),
  )
}

function assertNotNegative(value: unknown): void {
  if (value instanceof Object) Object.values(value).forEach(assertNotNegative)
  else if (typeof value === 'number') deepEqual(value >= 0, true)
}

t.test('wrong sums are corrected by exactly what is wrong, once, also while users change', async (t) => {
  await stored.deleteMany()
  await apply([created(1), created(2, { roles: ['seller'] }), deleted(3, 2)])
  const readModel = new ReadModel(db, userStats)
  t.strictSame((await readModel.wrongSums()).missing, {})

  const right = await sums()
  const wrong = { users: 999, 'byRole.buyer': -5, 'byDay.1999-01-01': 3 }
  await stored.updateOne({ _id: userStatsSums }, { $inc: wrong } as object)
  const [first, second] = [await readModel.wrongSums(), await readModel.wrongSums()]
  t.strictSame(first.missing, { users: -999, 'byRole.buyer': 5, 'byDay.1999-01-01': -3 })
  await apply([created(4, { roles: ['admin'] }), deleted(2, 2)])
  await Promise.all([first.correct(), second.correct()].map((corrected) => corrected.catch(() => {})))
  const { corrections, ...after } = (await sums()) as Record<string, unknown>
  t.equal(corrections, 1)
  t.match(after, { ...right, byRole: { buyer: 1, admin: 1 } })
  t.strictSame((await readModel.wrongSums()).missing, {})

  await stored.deleteOne({ _id: userStatsSums })
  await (await readModel.wrongSums()).correct()
  t.match(await sums(), after, 'sums that were lost are counted again')
})
