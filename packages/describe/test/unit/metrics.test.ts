import { readFileSync } from 'node:fs'
import t from 'tap'
import { metricsPart, metricsTables } from '../../metrics.ts'

t.test('the tables of docs/metrics.md are up to date (`npm run metrics` writes them)', async (t) => {
  const page = readFileSync(new URL('../../../../docs/metrics.md', import.meta.url), 'utf8')
  t.equal(metricsPart.exec(page)?.[0], await metricsTables())
})
