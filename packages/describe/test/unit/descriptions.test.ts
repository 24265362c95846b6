import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

t.test(
  'docs/openapi and docs/asyncapi.json are what the code gives, and independent linters accept them',
  async (t) => {
    const cwd = fileURLToPath(new URL('../../../..', import.meta.url))
    await t.resolves(promisify(execFile)('npm', ['run', '--silent', 'lint:api'], { cwd }))
  },
)
