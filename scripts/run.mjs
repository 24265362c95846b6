#!/usr/bin/env node
// run.mjs NAME PROGRAM [ARGUMENT…]: runs a built program with the settings that `npm start` has written for the process
// NAME, or without any if NAME is `-`. Settings in the environment take precedence.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { environment, node, repository } from './prepare.mjs'

const [name, program, ...args] = process.argv.slice(2)
const dataDir = process.env.DATA_DIR || '.data'
const settings = name === '-' ? [] : [resolve(repository, dataDir, 'env', `${name}.env`)]
const given = ['MONGODB_URI', 'MONGODB_READ_URI', 'JWKS_FILE'].some((setting) => process.env[setting])

const needed = [node, resolve(repository, program), ...(given ? [] : settings)]
if (!needed.every((file) => existsSync(file))) {
  console.error(`error: no system was started in ${dataDir} yet: run \`npm start\`, in another terminal`)
  process.exit(1)
}
// The limits that Node sets by itself in a container of 384 MiB.
const limits = ['--max-old-space-size=192', '--max-semi-space-size=4']
const options = [...limits, ...settings.filter((file) => existsSync(file)).map((file) => `--env-file=${file}`)]
const child = spawn(node, [...options, program, ...args], { cwd: repository, env: environment, stdio: 'inherit' })
// Ctrl-C reaches both processes.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => signal === 'SIGINT' || child.kill(signal))
child.on('exit', (code) => {
  if (code === 1 && settings.length > 0 && !given && !isRunning())
    console.error(`No system runs in ${dataDir}: \`npm start\`, in another terminal, starts it.`)
  process.exit(code ?? 1)
})

/** Whether the process that locked the data is alive. */
function isRunning() {
  try {
    return process.kill(Number(readFileSync(resolve(repository, dataDir, 'lock/pid'), 'utf8')), 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}
