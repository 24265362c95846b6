import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeOnce } from '../../src/once.ts'

t.test('a directory is created once, even for concurrent calls', async (t) => {
  const target = join(t.testdir(), 'sub/made')
  let made = 0
  const make = async (draft: string) => {
    made++
    await writeFile(join(draft, 'file'), 'whole')
  }
  await Promise.all([makeOnce(target, make), makeOnce(target, make), makeOnce(target, make)])
  await makeOnce(target, make)
  t.equal(made, 1)
  t.equal(await readFile(join(target, 'file'), 'utf8'), 'whole')
  t.strictSame(await readdir(join(target, '..')), ['made'], 'nothing else is left')
})

t.test('a failure leaves nothing, and can be retried', async (t) => {
  const target = join(t.testdir(), 'made')
  const fail = makeOnce(target, async (draft) => {
    await writeFile(join(draft, 'file'), 'half')
    throw new Error('no network')
  })
  await t.rejects(fail, { message: 'no network' })
  t.strictSame(await readdir(join(target, '..')), [])
  await t.resolves(makeOnce(target, async () => {}))
})

t.test('the lock and the draft of a killed process do not block others', async (t) => {
  const target = join(t.testdir(), 'made')
  const noProcess = 2 ** 22 + 1
  await mkdir(`${target}.lock`)
  await writeFile(`${target}.lock/pid`, String(noProcess))
  await mkdir(`${target}.${noProcess}.draft`)
  await makeOnce(target, async () => {})
  t.strictSame(await readdir(join(target, '..')), ['made'])
})
