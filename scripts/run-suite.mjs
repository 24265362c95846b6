// `run-suite.mjs 2/4` runs every fourth test file of the package in the working directory, beginning with the second,
// one after the other, and writes TAP like `tap`. It leaves out the hooks that `tap` puts into each test process, and
// from there into those that a test starts, for coverage, mocks and other languages: no test needs them, and they take
// a second of processor time in each process.
import { globSync } from 'node:fs'
import t from 'tap'

// The same as in .taprc.
const timeoutSeconds = 120

t.setTimeout(0)
const { NODE_OPTIONS = '' } = process.env
const env = { ...process.env, TAP_TIMEOUT: String(timeoutSeconds) }
const [part, of] = process.argv[2].split('/').map(Number)
const files = globSync('test/**/*.test.ts').sort()
for (const file of files.filter((_, i) => i % of === part - 1)) {
  // tap would put a hook into NODE_OPTIONS.
  const command = ['env', [`NODE_OPTIONS=${NODE_OPTIONS}`, process.execPath, file]]
  t.spawn(...command, { env, timeout: timeoutSeconds * 1_000 }, file)
}
