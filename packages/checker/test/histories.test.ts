import { createReadStream, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { check, readHistory, wordsOf } from '../src/index.ts'

const folder = (name: string) => fileURLToPath(new URL(`histories/${name}/`, import.meta.url))

async function judge(kind: 'good' | 'bad', file: string) {
  const history = await readHistory(createReadStream(join(folder(kind), file), 'utf8'))
  const report = check(history)
  return { ...report, words: [...wordsOf(history, report)].join('\n') }
}

t.test('no good history violates a rule', async (t) => {
  for (const file of readdirSync(folder('good'))) {
    const { violations, notDecided, words } = await judge('good', file)
    t.equal(violations.length + notDecided.length, 0, file, { words })
  }
})

t.test('each bad history violates the rule that its name begins with, and no other', async (t) => {
  const rules = new Set<string>()
  for (const file of readdirSync(folder('bad'))) {
    const [rule = ''] = file.split('.')
    rules.add(rule)
    const { violations, words } = await judge('bad', file)
    t.strictSame([...new Set(violations.map(({ rule }) => rule))], [rule], file, { words })
    for (const { operations } of violations) t.ok(operations.length > 0 && operations.length <= 6, `${file}: few lines`)
  }
  t.equal(rules.size, 11, 'every rule has one')
})
