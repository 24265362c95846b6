import { deepStrictEqual as deepEqual } from 'node:assert'
import type { UserEvent } from '@cqrs/contracts'
import { freshDatabase } from '@cqrs/local-stack/testing'
import { ensureCollections } from '@cqrs/service-kit'
import fc from 'fast-check'
import t from 'tap'
import { project } from '../src/projections/projection.ts'
import { usersRead } from '../src/projections/users-read.ts'
import { ReadModel } from '../src/read-store/read-model.ts'
import { deliveries, histories } from './fixtures/histories.ts'
import { documentsIn, writer } from './fixtures/writer.ts'

const { db, uri } = await freshDatabase(t)
// The collection is there before the writers: MongoDB's build for Windows under wine does not survive it when two
// connections make the same collection at once.
await ensureCollections(db, await new ReadModel(db, usersRead).collections())
const writers = [writer(t, uri, usersRead), writer(t, uri, usersRead)]
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
      deepEqual(await documentsIn(db, usersRead), histories.flatMap(lastDocument))
    }),
    { seed, numRuns: 60 },
  )
})

/** What is left when a user's events are applied once each, in their order. */
const lastDocument = (history: UserEvent[]) => history.slice(-1).map((event) => project(usersRead, event))
