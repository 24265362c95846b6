import { Refusal } from '@cqrs/contracts'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { FreshReads } from '../../src/freshness/fresh-reads.ts'
import type { Moment, ReadDatabase } from '../../src/read-store/read-database.ts'

t.test('versions that are present take one read and no watch', async (t) => {
  for (const there of [3, 4]) {
    const { run, did } = script([there])
    t.match(await run(), { result: there, token: 'all but nobody' })
    t.strictSame(did, ['read'])
  }
})

t.test('the watch begins before the read that decides to wait, and ends', async (t) => {
  const { run, did } = script([0, 2, 3])
  t.match(await run(), { result: 3 })
  t.strictSame(did, ['read', 'watch the-user 3', 'read', 'notice', 'read', 'end'])
})

t.test('each wait is short, in case a notice is missed', async (t) => {
  const { run, waitedMs } = script([0, 0, 0, 3])
  await run()
  t.equal(waitedMs.length, 2)
  for (const ms of waitedMs) t.ok(ms > 0 && ms <= 500, `${ms} ms`)
})

t.test('after the timeout it looks once more, then refuses', async (t) => {
  const { run, did } = script([2, 2], { waitMs: 0 })
  await t.rejects(run(), new Refusal('read-model-behind'))
  t.strictSame(did, ['read', 'watch the-user 3', 'read', 'end'])
})

t.test('a version that cannot be reached in time is not waited for', async (t) => {
  for (const first of [0, 3]) {
    const { run, did } = script([first], { version: 1_004 })
    await t.rejects(run(), new Refusal('read-model-behind'))
    t.strictSame(did, ['read'])
  }
})

t.test('a disconnected client does not wait', async (t) => {
  const { run, did } = script([0, 0], { signal: AbortSignal.abort() })
  await t.rejects(run(), { code: 'read-model-behind' })
  t.strictSame(did, ['read', 'watch the-user 3', 'read', 'end'])
})

t.test('a failed read ends the watch', async (t) => {
  const { run, did } = script([0])
  await t.rejects(run(), { message: 'no more reads' })
  t.strictSame(did, ['read', 'watch the-user 3', 'end'])
})

t.test('a user stays in the token until every read model has its version, read or not', async (t) => {
  const { run } = script([3], { other: 2 })
  t.match(await run(), { result: 3, token: 'all but the-user 3' })
})

/** Reads with version 3 as seen, of a read model with these versions, one after the other. Each wait ends at once. */
function script(
  versions: number[],
  options: { waitMs?: number; signal?: AbortSignal; version?: number; other?: number } = {},
) {
  const { waitMs = 60_000, signal = new AbortController().signal, version = 3, other = 1_004 } = options
  const did: string[] = []
  const waitedMs: number[] = []
  const left = [...versions]
  const database = {
    at: async (_options: object, read: (moment: Moment) => Promise<unknown>) => {
      const stored = left.shift()
      if (stored === undefined) throw new Error('no more reads')
      did.push('read')
      const versionIn: Record<string, number> = { users_read_v1: stored, another: other }
      return read({
        live: async () => ({ collectionOf: (name: string) => `${name}_v1`, collections: () => Object.keys(versionIn) }),
        findIn: async (collection: string) => [{ _id: 'the-user', version: versionIn[collection] }],
        token: (users: [string, number][]) => `all but ${users.map((user) => user.join(' ')).join() || 'nobody'}`,
        stored,
      } as unknown as Moment)
    },
  } as unknown as ReadDatabase
  const watch = (users: ReadonlyMap<string, number>) => {
    did.push(`watch ${[...users].map((user) => user.join(' ')).join()}`)
    return {
      noticed: async (ms: number) => {
        did.push('notice')
        waitedMs.push(ms)
      },
      end: () => void did.push('end'),
    }
  }
  const request = { url: '/', headers: {}, signal } as FastifyRequest
  const seen = { users: new Map([['the-user', version]]), times: new Map() }
  const run = () =>
    new FreshReads({ database, notices: { watch }, waitMs }).read(
      request,
      { seen, readModels: ['users_read'] },
      async (moment) => (moment as unknown as { stored: number }).stored,
    )
  return { run, did, waitedMs }
}
