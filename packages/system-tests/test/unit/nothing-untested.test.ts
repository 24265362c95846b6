import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { problems, routes } from '@cqrs/contracts'
import t from 'tap'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const tests = globSync('{packages,services}/*/test/**/*.ts', { cwd: root, exclude: ['**/node_modules'] })
  .filter((name) => !name.endsWith('nothing-untested.test.ts'))
  .map((name) => readFileSync(join(root, name), 'utf8'))
  .join('\n')

/** Codes of which no test can be made from outside, each with its reason. */
const exceptions: Record<string, string> = {}

t.test('each problem code is expected by some test', async (t) => {
  for (const code of Object.keys(problems)) t.ok(exceptions[code] ?? tests.includes(`'${code}'`), code)
})

t.test('each route is called by some test', async (t) => {
  for (const { path } of Object.values(routes)) t.ok(tests.includes(path.replace(/:.*/, '')), path)
})

t.test('each type of event is expected by some test', async (t) => {
  for (const type of ['UserCreated', 'UserUpdated', 'UserDeleted']) t.ok(tests.includes(type), type)
})
