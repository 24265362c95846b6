import { deepStrictEqual as deepEqual } from 'node:assert'
import type { UserEvent } from '@cqrs/contracts'
import { freshDatabase } from '@cqrs/local-stack/testing'
import fc from 'fast-check'
import t from 'tap'
import { ReadModel } from '../src/adapters/read-model.ts'
import { project } from '../src/projections/projection.ts'
import { usersRead } from '../src/projections/users-read.ts'
import { created, deleted, updated } from './fixtures/user-events.ts'
import { usersReadIn, usersReadWriter } from './fixtures/writer.ts'

const { db, uri } = await freshDatabase(t)
// The collection is there before the writers: MongoDB's build for Windows under wine does not survive it when two
// connections make the same collection at once.
await new ReadModel(db, usersRead).advance([])
const writers = [usersReadWriter(t, uri), usersReadWriter(t, uri)]
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

t.test(`events in any order, any number of times, through two projectors at once (SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(histories().chain(deliveries), async ({ histories, batches }) => {
      await db.collection(usersRead.name).deleteMany()
      await Promise.all(
        writers.map(async ({ apply }, writer) => {
          for (const batch of batches.filter((_, i) => i % writers.length === writer)) await apply(batch)
        }),
      )
      deepEqual(await usersReadIn(db), histories.flatMap(lastDocument))
    }),
    { seed, numRuns: 60 },
  )
})

/** What is left when a user's events are applied once each, in their order. */
const lastDocument = (history: UserEvent[]) => history.slice(-1).map((event) => project(usersRead, event))

/** Up to five users, each registered, then changed some times, then perhaps deleted. */
function histories(): fc.Arbitrary<UserEvent[][]> {
  const change = fc.record({
    name: fc.string({ minLength: 1, maxLength: 20 }),
    roles: fc.uniqueArray(fc.constantFrom('buyer' as const, 'seller' as const, 'admin' as const), { minLength: 1 }),
    isActive: fc.boolean(),
  })
  const life = fc.record({ changes: fc.array(change, { maxLength: 5 }), isDeleted: fc.boolean() })
  return fc
    .array(life, { minLength: 1, maxLength: 5 })
    .map((lives) =>
      lives.map(({ changes, isDeleted }, n) => [
        created(n),
        ...changes.map((user, i) => updated(n, i + 2, user)),
        ...(isDeleted ? [deleted(n, changes.length + 2)] : []),
      ]),
    )
}

/** All events at least once, some several times, shuffled, and cut into batches. */
function deliveries(histories: UserEvent[][]) {
  const events = histories.flat()
  return fc
    .shuffledSubarray([...events, ...events])
    .chain((again) => {
      const all = [...events, ...again]
      return fc.tuple(
        fc.shuffledSubarray(all, { minLength: all.length }),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: all.length, maxLength: all.length }),
      )
    })
    .map(([shuffled, sizes]) => ({ histories, batches: cut(shuffled, sizes) }))
}

function cut<T>(items: T[], sizes: number[]): T[][] {
  const batches = []
  for (let rest = items, i = 0; rest.length > 0; rest = rest.slice(sizes[i++])) batches.push(rest.slice(0, sizes[i]))
  return batches
}
