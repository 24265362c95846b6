import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { mutants, mutate } from '../../mutants/mutants.ts'

const root = fileURLToPath(new URL('../../../../', import.meta.url))

t.test('each mutant still changes the code, and its tests exist', async (t) => {
  for (const mutant of mutants) {
    t.doesNotThrow(() => mutate(readFileSync(join(root, mutant.file), 'utf8'), mutant), mutant.what)
    for (const test of mutant.tests) t.ok(existsSync(join(root, test)), test)
  }
})

t.test('text that is missing, or occurs twice, is an error', async (t) => {
  const mutant = { file: 'a.ts', what: 'a change', find: 'b', replace: 'c', tests: [] }
  t.equal(mutate('abc', mutant), 'acc')
  t.throws(() => mutate('ac', mutant), /a\.ts: .*exactly once/)
  t.throws(() => mutate('abab', mutant), /exactly once/)
})
