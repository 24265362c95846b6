import t from 'tap'
import { runPairs } from '../freshness/pairs.ts'

// A short run of `npm run test:freshness`, on a read database with one node.
t.setTimeout(300_000)

t.test('no query with a token misses a command or goes back, under kill -9 and without NATS', async (t) => {
  const options = { pairs: 160, seed: 7, natsDownMs: 1_000, withSecondaries: false }
  const { wrong, pairs, faults, foundWithoutTokens } = await runPairs(options)
  t.strictSame(wrong, [])
  t.ok(foundWithoutTokens > 0, `the same check finds ${foundWithoutTokens} misses in some pairs without tokens`)
  for (const kind of ['list', 'search', 'directory', 'by role', 'by id', 'statistics'])
    t.ok((pairs[kind] ?? 0) > 0, `${pairs[kind]} pairs of ${kind}`)
  t.ok(Object.keys(faults).length > 1, JSON.stringify(faults))
})
