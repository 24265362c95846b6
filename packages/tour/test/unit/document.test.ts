import { readFileSync } from 'node:fs'
import t from 'tap'
import { steps } from '../../src/steps/index.ts'

const document = readFileSync(new URL('../../../../docs/tour.md', import.meta.url), 'utf8')

// That the links of documents have a target is checked for all documents.
t.test('docs/tour.md lists the steps in their order, each with the document that it names', async (t) => {
  const rows = [...document.matchAll(/^\| ([^|]+) \| [^|]+ \| \[[^\]]+\]\(([^)]+)\) \|$/gm)]
  t.strictSame(
    rows.map(([, title, target]) => [title, `docs/${target}`]),
    steps.map(({ title, document }) => [title, document]),
  )
})
