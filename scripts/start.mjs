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

// In a session of its own, so that a signal reaches the system only through this process. If this process dies without
// passing one on, the end of the channel tells the system to stop.
const system = spawn(node, [join(repository, 'packages/local-stack/dist/start.js')], {
  cwd: repository,
  env: environment,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  detached: true,
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => system.kill(signal))
// A killed npm passes no signal on: stops when npm is no longer the parent.
const npm = process.env.npm_lifecycle_event && process.ppid
if (npm) setInterval(() => process.ppid !== npm && system.kill('SIGTERM'), 1_000).unref()
system.on('exit', (code) => process.exit(code ?? 1))
