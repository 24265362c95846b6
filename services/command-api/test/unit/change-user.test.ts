import { shares } from '@cqrs/service-kit'
import t from 'tap'
import type { Change, User } from '../../src/domain/user.ts'
import { changeUser } from '../../src/store/change-user.ts'
import type { UserRepository } from '../../src/store/user-repository.ts'

/** A user whose first saves fail, as if somebody else changed it in between; the events that were published. */
function contended(failingSaves: number) {
  let loads = 0
  const seen: number[] = []
  const published: unknown[] = []
  const users = {
    findById: async (id: string) => ({ id, version: ++loads }),
    save: async (_change: Change, expectedVersion: number) => expectedVersion > failingSaves,
    confirm: async ({ version }: User) => version > failingSaves,
    written: (event: unknown) => event,
    inTurn: shares({ running: 1, waiting: 10 }),
  } as unknown as UserRepository
  const decide = (user: User) => {
    seen.push(user.version)
    return { state: { ...user, version: user.version + 1 }, event: `event ${user.version + 1}` } as unknown as Change
  }
  return {
    dependencies: { users, relay: { publish: (event: unknown) => published.push(event) } },
    decide,
    seen,
    published,
  }
}

t.test('a user that somebody else keeps changing is given up on after five more attempts', async (t) => {
  const { dependencies, decide, seen, published } = contended(6)
  await t.rejects(changeUser(dependencies, 'an id', decide), { code: 'version-conflict' })
  t.strictSame(seen, [1, 2, 3, 4, 5, 6], 'each attempt sees a fresh copy')
  t.strictSame(published, [])
})

t.test('only the event of the attempt that was saved is published', async (t) => {
  const { dependencies, decide, seen, published } = contended(2)
  t.match(await changeUser(dependencies, 'an id', decide), {
    user: { version: 4 },
    previous: { version: 3 },
    isReplay: false,
  })
  t.strictSame(seen, [1, 2, 3])
  t.strictSame(published, ['event 4'])
})

t.test('a decision without a change is confirmed but not saved, and nothing is published', async (t) => {
  const { dependencies, published } = contended(2)
  const answer = await changeUser(dependencies, 'an id', () => undefined)
  t.match(answer, { user: { version: 3 }, isReplay: false })
  t.strictSame(published, [])
})

t.test('a change that comes while others take turns queues behind them', async (t) => {
  const { dependencies, decide, published: order } = contended(1)
  const change = (name: string) =>
    changeUser(dependencies, 'an id', async (user) => {
      order.push(name)
      // The second change comes while the first one makes its second attempt.
      if (order.length === 2) later = change('later')
      return decide(user)
    })
  let later: Promise<unknown> | undefined
  await change('earlier')
  await later
  t.strictSame(order, ['earlier', 'earlier', 'event 3', 'later', 'event 4'])
})
