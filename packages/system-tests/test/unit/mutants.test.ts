import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { changed } from '@cqrs/local-stack/testing'
import t from 'tap'
import { bugs } from '../../consistency/planted/bugs.ts'
import { mutants } from '../../mutants/mutants.ts'

const root = fileURLToPath(new URL('../../../../', import.meta.url))

t.test('each mutant still changes the code, and its tests exist', async (t) => {
  for (const mutant of mutants) {
    t.doesNotThrow(() => changed(readFileSync(join(root, mutant.file), 'utf8'), mutant), mutant.what)
    for (const test of mutant.tests) t.ok(existsSync(join(root, test)), test)
  }
})

t.test('each planted bug still changes the code', async (t) => {
  for (const { name, changes } of bugs) {
    const files = new Map<string, string>()
    const source = (file: string) => files.get(file) ?? readFileSync(join(root, file), 'utf8')
    for (const change of changes)
      t.doesNotThrow(() => files.set(change.file, changed(source(change.file), change)), name)
  }
})

t.test('text that is missing, or occurs twice, is an error', async (t) => {
  const change = { file: 'a.ts', find: 'b', replace: 'c' }
  t.equal(changed('abc', change), 'acc')
  t.throws(() => changed('ac', change), /a\.ts: .*exactly once/)
  t.throws(() => changed('abab', change), /exactly once/)
})
