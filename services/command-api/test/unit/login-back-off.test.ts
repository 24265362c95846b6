import t from 'tap'
import { backOffRules, isWaiting } from '../../src/domain/login-back-off.ts'

t.test('waits double, up to a quarter of an hour for one source and a minute for all', async (t) => {
  const seconds = ({ waitsMs }: { waitsMs: readonly number[] }) => waitsMs.map((ms) => ms / 1_000)
  t.strictSame(seconds(backOffRules.bySource), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900])
  t.strictSame(seconds(backOffRules.overall), [1, 2, 4, 8, 16, 32, 60])
})

t.test('an account waits for one source, or for all that are not known', async (t) => {
  const now = new Date('2026-11-23T09:30:00.000Z')
  const past = new Date(now.getTime() - 1)
  const future = new Date(now.getTime() + 1)
  const failures = 9
  for (const [bySource, overall, waits] of [
    [undefined, undefined, false],
    [{ failures, waitsUntil: future }, undefined, true],
    [{ failures, waitsUntil: now }, undefined, false],
    [{ failures, waitsUntil: future, knownUntil: future }, undefined, true],
    [undefined, { failures, waitsUntil: future }, true],
    [undefined, { failures, waitsUntil: past }, false],
    [{ failures, knownUntil: future }, { failures, waitsUntil: future }, false],
    [{ failures, knownUntil: past }, { failures, waitsUntil: future }, true],
  ] as const)
    t.equal(isWaiting({ bySource, overall }, now), waits, JSON.stringify({ bySource, overall }))
  const isKnownDevice = true
  t.notOk(isWaiting({ overall: { failures, waitsUntil: future }, isKnownDevice }, now), 'a known device')
  t.ok(isWaiting({ bySource: { failures, waitsUntil: future }, isKnownDevice }, now), 'a known device that failed')
})
