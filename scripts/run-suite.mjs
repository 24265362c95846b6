// Runs the test files of the package in the working directory, one after the other, and writes TAP like `tap`. It
// leaves out the hooks that `tap` puts into each test process, and from there into those that a test starts, for
// coverage, mocks and other languages: no test needs them, and they take a second of processor time in each process.
import { globSync } from 'node:fs'
import t from 'tap'

// The same as in .taprc.
const timeoutSeconds = 120

t.setTimeout(0)
const { NODE_OPTIONS = '' } = process.env
const env = { ...process.env, TAP_TIMEOUT: String(timeoutSeconds) }
for (const file of globSync('test/**/*.test.ts').sort()) {
  // tap would put a hook into NODE_OPTIONS.
  const command = ['env', [`NODE_OPTIONS=${NODE_OPTIONS}`, process.execPath, file]]
  t.spawn(...command, { env, timeout: timeoutSeconds * 1_000 }, file)
}
