#!/usr/bin/env node
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { environment, node, prepare, repository } from './prepare.mjs'

try {
  await prepare()
} catch (error) {
  console.error(`error: ${error.message}`)
  process.exit(1)
}

// In a session of its own, so that a signal reaches the system by exactly one way, through here. If this process dies
// without passing one on, the end of the channel tells the system to stop.
const system = spawn(node, [join(repository, 'packages/local-stack/dist/start.js')], {
  cwd: repository,
  env: environment,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  detached: true,
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => system.kill(signal))
system.on('exit', (code) => process.exit(code ?? 1))
