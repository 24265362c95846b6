import { freshDatabase } from '@cqrs/local-stack/testing'
import t from 'tap'
import { usersRead } from '../src/projections/users-read.ts'
import { RebuildRecord } from '../src/read-store/rebuild-record.ts'

const { db } = await freshDatabase(t)
const states = db.collection<{ _id: string; rebuild: { ownedUntil: Date } }>('read_models')
const endsIn = (name: string, ms: number) =>
  states.updateOne({ _id: name }, { $set: { 'rebuild.ownedUntil': new Date(Date.now() + ms) } })

const recordOf = (name: string) => new RebuildRecord(db, { ...usersRead, name })

t.test('a rebuild is taken over only when its owner is dead, by the database’s clock', async (t) => {
  const [owner, other] = [recordOf('people'), recordOf('people')]
  t.match(await owner.claim('people_1'), { collection: 'people_1', after: '' })
  const { now } = Date
  const clock = t.intercept(Date, 'now', { value: () => now() + 600_000 })
  t.equal(await other.claim('people_2'), undefined, 'a process with a fast clock does not take it over')
  await owner.keep()
  clock.restore()
  await endsIn('people', 5_000)
  t.equal(await other.claim('people_2'), undefined)
  await endsIn('people', -1)
  t.match(await other.claim('people_2'), { collection: 'people_1' }, 'it resumes where the owner stopped')
  await t.rejects(owner.keep(), /another process/)
})

t.test('an owner that claims to live longer than one can is dead', async (t) => {
  const [owner, other] = [recordOf('things'), recordOf('things')]
  await owner.claim('things_1')
  await endsIn('things', 600_000)
  t.match(await other.claim('things_2'), { collection: 'things_1' })
})

t.test('a rebuild that was left can be taken over at once', async (t) => {
  const [owner, other] = [recordOf('left'), recordOf('left')]
  await owner.claim('left_1')
  await owner.leave()
  t.match(await other.claim('left_2'), { collection: 'left_1' })
})
