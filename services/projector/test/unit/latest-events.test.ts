import t from 'tap'
import { latestEvents } from '../../src/projections/latest-events.ts'
import { created, deleted, updated } from '../fixtures/user-events.ts'

t.test('a batch is reduced to the highest version of each user', async (t) => {
  const batch = [updated(1, 3), created(2), created(1), deleted(1, 4), updated(1, 2), updated(2, 2), updated(1, 3)]
  t.strictSame(latestEvents(batch), [deleted(1, 4), updated(2, 2)])
})

t.test('an empty batch stays empty', async (t) => {
  t.strictSame(latestEvents([]), [])
})
