import t from 'tap'
import { type Result, reached } from '../../harness/result.ts'
import { table } from '../../harness/table.ts'

const faster: Result = {
  what: 'look-ups',
  unit: '/s',
  ours: [9_000, 12_000, 10_000],
  limit: { what: 'bare', values: [10_000, 12_000, 12_500] },
  reach: { atLeast: 0.85 },
  note: 'on one core',
}
const smaller: Result = { what: 'memory', unit: 'MiB', ours: [120.4], reach: { atMost: 100 } }
const told: Result = { what: 'failed', unit: '', ours: [0] }

t.test('a figure is judged by its ratio to the limit, or by itself without one', async (t) => {
  t.equal(reached(faster), true)
  t.equal(reached(smaller), false)
  t.equal(reached(told), undefined)
  t.equal(
    reached({ ...told, ours: [Number.NaN], reach: { atMost: 1 } }),
    false,
    'an unknown value does not reach its target',
  )
})

t.test('the table has medians, spread, ratio, target and verdict', async (t) => {
  const lines = table([faster, smaller, told]).split('\n')
  t.equal(
    lines[2],
    '| look-ups | 10,000 /s (9,000–12,000) | bare: 12,000 /s (10,000–12,500) | 0.9 | ≥ 0.85 | reached |',
  )
  t.equal(lines[3], '| memory | 120 MiB |  |  | ≤ 100 MiB | **short** |')
  t.equal(lines[4], '| failed | 0 |  |  |  |  |')
  t.equal(lines.at(-1), '- **look-ups**: on one core')
})
