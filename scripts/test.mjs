#!/usr/bin/env node
// npm test [-- NAME…]: all suites, or those of the packages and services with these names. The last line is the sum.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { environment, node, prepare } from './prepare.mjs'

try {
  await prepare()
} catch (error) {
  console.log(`error: ${error.message}\n0 passed, 1 failed`)
  process.exit(1)
}

// The suites run on Node 24, which `prepare` has just installed.
const suites = spawn(node, ['scripts/run-suites.mjs', ...process.argv.slice(2)], { env: environment, stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => signal === 'SIGTERM' && suites.kill(signal))
const [code] = await once(suites, 'exit')
process.exitCode = code ?? 1
