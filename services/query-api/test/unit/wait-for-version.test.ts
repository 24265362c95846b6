import { Refusal } from '@cqrs/contracts'
import t from 'tap'
import type { ReadyUser } from '../../src/by-id/user-cache.ts'
import { waitForVersion } from '../../src/freshness/wait-for-version.ts'

const at = (version: number): ReadyUser => ({ version, etag: `"${version}"`, body: undefined })

t.test('a version that is present takes one look-up and no watch', async (t) => {
  for (const there of [at(3), at(4)]) {
    const { run, did } = script([there])
    t.equal(await run(), there)
    t.strictSame(did, ['look'])
  }
})

t.test('the watch begins before the look-up that decides to wait, and ends', async (t) => {
  const { run, did } = script([undefined, at(2), at(3)])
  t.match(await run(), { version: 3 })
  t.strictSame(did, ['look', 'watch', 'look', 'notice', 'look', 'end'])
})

t.test('each wait is short, in case a notice is missed', async (t) => {
  const { run, waitedMs } = script([undefined, undefined, undefined, at(3)])
  await run()
  t.equal(waitedMs.length, 2)
  for (const ms of waitedMs) t.ok(ms > 0 && ms <= 500, `${ms} ms`)
})

t.test('after the timeout it looks once more, then refuses', async (t) => {
  const { run, did } = script([at(2), at(2)], { timeoutMs: 0 })
  await t.rejects(run(), new Refusal('read-model-behind'))
  t.strictSame(did, ['look', 'watch', 'look', 'end'])
})

t.test('a version that cannot be reached in time is not waited for', async (t) => {
  for (const first of [undefined, at(3)]) {
    const { run, did } = script([first], { version: 1_004 })
    await t.rejects(run(), new Refusal('read-model-behind'))
    t.strictSame(did, ['look'])
  }
})

t.test('a disconnected client does not wait', async (t) => {
  const { run, did } = script([undefined, undefined], { until: AbortSignal.abort() })
  await t.rejects(run(), { code: 'read-model-behind' })
  t.strictSame(did, ['look', 'watch', 'look', 'end'])
})

t.test('a failed look-up ends the watch', async (t) => {
  const { run, did } = script([undefined])
  await t.rejects(run(), { message: 'no more look-ups' })
  t.strictSame(did, ['look', 'watch', 'end'])
})

/** Waits for version 3 with these results of look-ups, one after the other. Each wait ends at once with a notice. */
function script(
  finds: (ReadyUser | undefined)[],
  options: { timeoutMs?: number; until?: AbortSignal; version?: number } = {},
) {
  const did: string[] = []
  const waitedMs: number[] = []
  const left = [...finds]
  const find = async () => {
    if (left.length === 0) throw new Error('no more look-ups')
    did.push('look')
    return left.shift()
  }
  const watch = () => {
    did.push('watch')
    return {
      noticed: async (ms: number) => {
        did.push('notice')
        waitedMs.push(ms)
      },
      end: () => void did.push('end'),
    }
  }
  const { timeoutMs = 60_000, until = new AbortController().signal, version = 3 } = options
  const run = () =>
    waitForVersion(
      { id: 'the-user', version, caller: 'a caller', first: find() },
      { lookUp: { find }, notices: { watch }, timeoutMs, until },
    )
  return { run, did, waitedMs }
}
