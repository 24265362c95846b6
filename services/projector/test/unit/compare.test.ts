import { createHash } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { digestLine, type Remedy, type VersionOf } from '@cqrs/contracts'
import t from 'tap'
import { compareSides, differing } from '../../src/upkeep/compare.ts'
import type { Comparison } from '../../src/upkeep/comparison.ts'

const writeDatabase = 'a write database'
const idOf = (n: number) => `019a6f0c-3b5e-7c21-9d52-${String(n).padStart(12, '0')}`
const living = (n: number, version: number, content = 'same'): VersionOf => ({ id: idOf(n), version, content })
const tombstone = (n: number, version: number): VersionOf => ({ id: idOf(n), version })

t.test('each kind of difference has its remedy', async (t) => {
  const { comparison, asked } = sides({
    write: [living(1, 2), living(2, 3), living(3, 2), living(4, 2), tombstone(5, 9), living(7, 1), tombstone(8, 3)],
    read: [living(2, 2), living(3, 2, 'other'), tombstone(4, 6), living(5, 8), living(6, 1), living(7, 4)],
  })
  const compared = await compareSides(comparison, { repair: true })
  t.strictSame(compared.counts, { missing: 1, stale: 2, differs: 1, buried: 1, orphaned: 1, ahead: 1 })
  t.equal(differing(compared), 7)
  t.strictSame(asked, [
    { id: idOf(1), readVersion: 0, remedy: 'restate' },
    { id: idOf(2), readVersion: 2, remedy: 'restate' },
    { id: idOf(3), readVersion: 2, remedy: 'raise' },
    { id: idOf(4), readVersion: 6, remedy: 'raise' },
    { id: idOf(5), readVersion: 8, remedy: 'restate' },
    { id: idOf(6), readVersion: 1, remedy: 'delete' },
  ])
})

t.test('what is deleted on both sides, or pending, does not differ', async (t) => {
  const { comparison } = sides({
    write: [tombstone(1, 2), { ...living(2, 5), pending: true }, living(3, 1)],
    read: [tombstone(1, 7), living(2, 4), living(3, 1), tombstone(4, 2)],
  })
  t.equal(differing(await compareSides(comparison, { repair: false })), 0)
})

t.test('the brake: by default 10 users or 1 % are deleted, and otherwise nobody', async (t) => {
  for (const { users, orphans, mayDelete, deleted } of [
    { users: 0, orphans: 10, deleted: 10 },
    { users: 0, orphans: 11, deleted: 0 },
    { users: 3_000, orphans: 30, deleted: 30 },
    { users: 3_000, orphans: 31, deleted: 0 },
    { users: 3_000, orphans: 3_000, deleted: 0 },
    { users: 0, orphans: 3_000, mayDelete: 3_000, deleted: 3_000 },
    { users: 0, orphans: 5, mayDelete: 4, deleted: 0 },
  ]) {
    const both = Array.from({ length: users }, (_, n) => living(n, 1))
    const { comparison, asked } = sides({
      write: [...both, living(10_001, 1)],
      read: [...both, ...Array.from({ length: orphans }, (_, n) => living(20_000 + n, 1))],
    })
    const { held } = await compareSides(comparison, { repair: true, mayDelete })
    t.equal(asked.filter(({ remedy }) => remedy === 'delete').length, deleted, `${orphans} of ${users}`)
    t.equal(held, deleted === 0 ? orphans : 0)
    t.ok(
      asked.some(({ remedy }) => remedy === 'restate'),
      'the others are repaired',
    )
  }
})

t.test('memory is bounded, however much differs', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  collect()
  const before = process.memoryUsage().heapUsed
  for (const missing of [true, false]) {
    const count = missing ? 1_000_000 : 100_000
    const page = (after: string, limit: number) => {
      const first = after === '' ? 0 : Number(after.slice(-12)) + 1
      return Array.from({ length: Math.min(limit, count - first) }, (_, n) => living(first + n, 1))
    }
    const none = () => Promise.resolve([])
    const all = async (after: string, _upTo: string | null, limit: number) => page(after, limit)
    const { comparison } = sides({ write: [], read: [] })
    let published = 0
    let highest = 0
    let rounds = 0
    const digest = async (after: string, limit: number) => {
      const users = missing ? page(after, limit) : []
      const upTo = users.length === limit ? (users.at(-1)?.id ?? null) : null
      return { writeDatabase, upTo, count: users.length, digest: 'of the write side' }
    }
    const versions = async (after: string, upTo: string | null, limit: number) => ({
      writeDatabase,
      users: await (missing ? all : none)(after, upTo, limit),
    })
    const large: Comparison = {
      ...comparison,
      write: {
        digest,
        versions,
        republish: async (users) => {
          published += users.length
          return users.length
        },
      },
      read: { ...comparison.read, digest: async () => ({ count: 0, digest: 'other' }), versions: missing ? none : all },
      settled: async () => {
        if (++rounds % 50 > 0) return
        collect()
        highest = Math.max(highest, process.memoryUsage().heapUsed)
      },
    }
    const compared = await compareSides(large, { repair: true })
    t.equal(differing(compared), count)
    t.equal(published, missing ? count : 0)
    t.equal(compared.held, missing ? 0 : count)
    t.ok(highest > 0 && highest < before + 16e6, `${highest - before} bytes above ${before}`)
  }
})

/** Two sides in memory. `asked` are the users whom the write side was asked to publish again. */
function sides({ write, read }: { write: VersionOf[]; read: VersionOf[] }) {
  const asked: { id: string; readVersion: number; remedy: Remedy }[] = []
  const within = (side: VersionOf[], after: string, upTo: string | null, limit: number) =>
    side.filter(({ id }) => id > after && (upTo === null || id <= upTo)).slice(0, limit)
  const digestOf = (users: VersionOf[]) => {
    const hash = createHash('sha256')
    for (const { id, version, content } of users) if (content) hash.update(digestLine(id, version, content))
    return hash.digest('hex')
  }
  const comparison: Comparison = {
    name: 'users_read_v1',
    write: {
      digest: async (after, limit) => {
        const users = within(
          write.filter(({ content }) => content),
          after,
          null,
          limit,
        )
        const upTo = users.length === limit ? (users.at(-1)?.id ?? null) : null
        return { writeDatabase, upTo, count: users.length, digest: digestOf(users) }
      },
      versions: async (after, upTo, limit) => ({ writeDatabase, users: within(write, after, upTo, limit) }),
      republish: async (users) => {
        asked.push(...users)
        return users.length
      },
    },
    read: {
      condition: async () => 'filled',
      fields: [],
      digest: async (after, upTo) => {
        const users = within(read, after, upTo, Number.POSITIVE_INFINITY).filter(({ content }) => content)
        return { count: users.length, digest: digestOf(users) }
      },
      versions: async (after, upTo, limit) => within(read, after, upTo, limit),
      wrongSums: async () => ({ missing: {}, correct: async () => {} }),
    },
    settled: async () => {},
  }
  return { comparison, asked }
}
