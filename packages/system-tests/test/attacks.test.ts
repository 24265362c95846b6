import { freshDatabase } from '@cqrs/local-stack/testing'
import t from 'tap'
import { reportTable } from '../attacks/report.ts'
import { besiege } from '../attacks/siege.ts'

// A short run of `pnpm test:attacks`.
t.setTimeout(300_000)
const seed = 7

t.test('no bad request gets a 5xx, no response, or a response outside the description', async (t) => {
  const databases = { write: (await freshDatabase(t)).uri, read: (await freshDatabase(t)).uri }
  const { outcomes, failures } = await besiege({ seed, requests: 80, databases })
  t.comment(`seed ${seed}${reportTable(outcomes)}`)
  t.strictSame(failures.slice(0, 20), [])
})
