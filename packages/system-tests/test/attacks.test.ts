import { freshDatabase } from '@cqrs/local-stack/testing'
import t from 'tap'
import { besideGreedy, greedyTable } from '../attacks/greedy.ts'
import { reportTable } from '../attacks/report.ts'
import { besiege } from '../attacks/siege.ts'

// A short run of `npm run test:attacks`.
t.setTimeout(300_000)
const seed = 7

t.test('no bad request gets a 5xx, no response, or a response outside the description', async (t) => {
  const databases = { write: (await freshDatabase(t)).uri, read: (await freshDatabase(t)).uri }
  const { outcomes, failures } = await besiege({ seed, requests: 80, databases })
  t.comment(`seed ${seed}${reportTable(outcomes)}`)
  t.strictSame(failures.slice(0, 20), [])
})

t.test('an ordinary client is served beside greedy ones', async (t) => {
  const databases = { write: (await freshDatabase(t)).uri, read: (await freshDatabase(t)).uri }
  const kinds = ['changes of password', 'reads that wait for a version', 'lists']
  const { results, failures } = await besideGreedy({
    seconds: 2,
    isChosen: (kind) => kinds.includes(kind),
    maxConnections: 300,
    databases,
  })
  t.comment(greedyTable(results))
  t.equal(results.length, kinds.length)
  t.strictSame(failures.slice(0, 20), [])
})
