import type { UserEvent } from '@cqrs/contracts'
import * as contracts from '@cqrs/contracts'
import { freshDatabase, saw } from '@cqrs/local-stack/testing'
import t from 'tap'
import { type Projection, project } from '../src/projections/projection.ts'
import { userDirectory } from '../src/projections/user-directory.ts'
import { usersRead } from '../src/projections/users-read.ts'
import { created, deleted, historiesEndingWith, updated, userId } from './fixtures/user-events.ts'
import { documentsIn, writer } from './fixtures/writer.ts'

const { db, uri } = await freshDatabase(t)
const { apply, notices } = writer(t, uri, usersRead)
const directory = Object.values(userDirectory).map(
  (projection) => [projection, writer(t, uri, projection).apply] as const,
)

/** Every event type of contracts: what has a schema with the members of a CloudEvent. */
const eventTypes = Object.entries(contracts).flatMap(([name, value]) =>
  value instanceof Object && 'properties' in value && 'specversion' in value.properties ? [name] : [],
)

t.test('every event type of contracts is tested below', async (t) => {
  t.strictSame(Object.keys(historiesEndingWith).sort(), eventTypes.sort())
})

for (const [type, historyOf] of Object.entries(historiesEndingWith)) {
  const orders: Record<string, (history: UserEvent[]) => UserEvent[]> = {
    once: (history) => history,
    twice: (history) => history.flatMap((event) => [event, event]),
    'out of order': (history) => history.toReversed(),
    'once more at the end': (history) => [...history, ...history],
  }
  for (const [order, arrange] of Object.entries(orders)) {
    t.test(`${type} ${order}`, async (t) => {
      const history = historyOf(1)
      for (const [projection, write] of [[usersRead, apply], ...directory] as const) {
        await db.collection(projection.name).deleteMany()
        for (const event of arrange(history)) await write([event])
        t.strictSame(
          await documentsIn(db, projection),
          history.slice(-1).map((event) => project(projection as Projection, event)),
        )
      }
      saw(`event ${type} applied`)
    })
  }
}

t.test('a revocation is stored with the time of the database, whatever clock the write side has', async (t) => {
  const revokedAt = async (n: number) =>
    (await db.collection(usersRead.name).findOne({ _id: userId(n) } as object))?.['revokedAt']
  const before = new Date((await db.command({ hello: 1 }))['localTime'])
  const revoked = { tokensFromVersion: 2, tokensRevokedAt: '2020-01-01T00:00:00.000Z' }
  await apply([created(11), updated(12, 2, {}, revoked), deleted(13, 2)])
  t.equal(await revokedAt(11), undefined, 'nothing was revoked')
  const stored = [await revokedAt(12), await revokedAt(13)]
  for (const at of stored) t.ok(at >= before, `stored with ${at}`)
  await apply([updated(12, 4, {}, { ...revoked, tokensFromVersion: 4 })])
  t.ok((await revokedAt(12)) > stored[0], 'the next revocation has its own')
})

t.test('the notice of a batch says which tokens are revoked', async (t) => {
  notices.length = 0
  const revoked = { tokensFromVersion: 5, tokensRevokedAt: new Date().toISOString() }
  await apply([created(1), updated(2, 7, {}, revoked), deleted(3, 9)])
  t.strictSame(notices, [
    {
      applied: [
        [userId(1), 1],
        [userId(2), 7, 5],
        [userId(3), 9, 9],
      ],
    },
  ])
})
