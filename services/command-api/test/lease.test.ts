import { freshDatabase } from '@cqrs/local-stack/testing'
import { Lease } from '@cqrs/service-kit'
import t from 'tap'

const { db } = await freshDatabase(t)
const leases = db.collection<{ _id: string; holder: string; expiresAt: Date }>('leases')
const hourMs = 3_600_000
/** Two processes that want the same lease. */
const contenders = (name: string) => [new Lease(db, name, hourMs), new Lease(db, name, hourMs)] as const
const endsIn = (name: string, ms: number) =>
  leases.updateOne({ _id: name }, { $set: { expiresAt: new Date(Date.now() + ms) } })

t.test('one process holds a lease, renews it, and another gets it when it is released', async (t) => {
  const [one, other] = contenders('sweeper')
  t.strictSame([await one.acquire(), await other.acquire(), await one.acquire()], [true, false, true])
  await other.release()
  t.equal(await other.acquire(), false, 'only its holder releases it')
  await one.release()
  t.equal(await other.acquire(), true)
})

t.test('of many concurrent processes one gets it', async (t) => {
  const all = Array.from({ length: 10 }, () => new Lease(db, 'contended', hourMs))
  const got = await Promise.all(all.map((lease) => lease.acquire()))
  t.equal(got.filter(Boolean).length, 1)
})

t.test('the lease of a dead process is over when it ends', async (t) => {
  const [dead, other] = contenders('of a dead process')
  await dead.acquire()
  await endsIn('of a dead process', 60_000)
  t.equal(await other.acquire(), false)
  await endsIn('of a dead process', -1)
  t.equal(await other.acquire(), true)
})

t.test('the database’s clock decides, not that of a process', async (t) => {
  const [fast, other] = contenders('of a fast clock')
  const { now } = Date
  const clock = t.intercept(Date, 'now', { value: () => now() + 10 * hourMs })
  t.equal(await fast.acquire(), true)
  clock.restore()
  t.ok(((await leases.findOne({ _id: 'of a fast clock' }))?.expiresAt.getTime() ?? 0) < Date.now() + 2 * hourMs)
  t.intercept(Date, 'now', { value: () => now() + 10 * hourMs })
  t.equal(await other.acquire(), false, 'a process with a fast clock does not take what is held')
})

t.test('a lease that ends later than any can was made by a wrong clock, and is over', async (t) => {
  const [fast, other] = contenders('too long')
  await fast.acquire()
  await endsIn('too long', 2 * hourMs)
  t.equal(await other.acquire(), true)
  t.equal(await fast.acquire(), false)
})
