import t from 'tap'
import { median, quantile, ratios, sampleOf } from '../../harness/statistics.ts'

t.test('the median is the middle value, or the mean of the two in the middle', async (t) => {
  t.equal(median([5, 1, 3]), 3)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.equal(median([7]), 7)
  t.ok(Number.isNaN(median([])))
})

t.test('a quantile is a value that was measured', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  t.equal(quantile(hundred, 0.5), 50)
  t.equal(quantile(hundred, 0.99), 99)
  t.equal(quantile(hundred, 1), 100)
  t.equal(quantile([3, 1], 0.99), 3)
  t.ok(Number.isNaN(quantile([], 0.5)))
})

t.test('ratios are taken round by round', async (t) => {
  t.strictSame(ratios([10, 40], [20, 20]), [0.5, 2])
})

t.test('a sample has requests per second and their durations', async (t) => {
  t.strictSame(sampleOf([1, 2, 3, 4], 2, 1), { perSecond: 2, p50: 2, p99: 4, failed: 1 })
})
