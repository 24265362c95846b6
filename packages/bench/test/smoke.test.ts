import t from 'tap'
import { byIdHot } from '../cases/by-id-hot.ts'
import { startBench } from '../harness/bench.ts'
import { table } from '../harness/table.ts'

const tiny = { users: 200, rounds: 1, warmUp: false, seconds: 0.5, events: 0, rebuilt: 0 }

t.test('one case runs from end to end: system, users, load, limit, table', async (t) => {
  const bench = await startBench(tiny, () => {})
  t.teardown(bench.stop)
  const results = await byIdHot.run(bench)
  const [result] = results
  t.ok((result?.ours[0] ?? 0) > 0, 'the system answered')
  t.ok((result?.limit?.values[0] ?? 0) > 0, 'the contender answered')
  t.match(table(results), /GET by id, hot 200 of 200 users/)
  t.comment(table(results))
})
