import { eventWriters } from '@cqrs/contracts'
import { eventually, freshDatabase } from '@cqrs/local-stack/testing'
import { ensureCollections } from '@cqrs/service-kit'
import t from 'tap'
import { collections } from '../src/resources.ts'
import { raiseVersions } from '../src/store/raise-versions.ts'
import { UserRepository } from '../src/store/user-repository.ts'

const { db } = await freshDatabase(t)
await ensureCollections(db, collections)
const users = db.collection<any>('users')
const repository = new UserRepository(db, eventWriters[2], async () => true)
const idOf = (n: number) => `019a6f0c-3b5e-7c21-9d52-${String(n).padStart(12, '0')}`

t.test('each user of a restored backup is raised once, also by a run that was interrupted', async (t) => {
  const living = Array.from({ length: 450 }, (_, n) => ({
    _id: idOf(n),
    email: `${n}@example.com`,
    name: 'Jo',
    roles: ['buyer'],
    isActive: true,
    version: 1 + (n % 7),
    tokensFromVersion: 1,
    createdAt: new Date(),
    updatedAt: new Date(),
    outbox: [],
  }))
  const tombstone = { _id: idOf(1_000), version: 8, deletedAt: new Date(), outbox: [] }
  await users.insertMany([...living, tombstone])

  const failing = new UserRepository(db, eventWriters[2], async () => true)
  let saved = 0
  failing.save = async (...change) => {
    if (++saved > 250) throw new Error('killed')
    return repository.save(...change)
  }
  await t.rejects(raiseVersions(db, failing), { message: 'killed' })
  await eventually(async () => (await users.countDocuments({ version: { $gt: 1_000_000 } })) === 250)
  t.match(await raiseVersions(db, repository), { version: 1_000_008, raised: 200 })

  const after = await users.find({ email: { $exists: true } }).toArray()
  t.equal(after.length, 450)
  for (const { version, tokensFromVersion, tokensRevokedAt, outbox, updatedAt, _id } of after) {
    const [event, ...others] = outbox
    if (others.length > 0 || version !== 1_000_008 || tokensFromVersion !== 1_000_008) t.fail(`${_id} is raised once`)
    if (event.version !== version || event.data.tokensRevokedAt !== tokensRevokedAt.toISOString())
      t.fail(`the event of ${_id} has another state`)
    if (event.data.user.updatedAt !== updatedAt.toISOString()) t.fail(`${_id} is changed otherwise`)
  }
  t.match(await users.findOne({ _id: tombstone._id }), { version: 8 }, 'nothing follows a deletion')
})

t.test('another restore raises them above the first', async (t) => {
  t.match(await raiseVersions(db, repository), { version: 2_000_008, raised: 450 })
})
