#!/usr/bin/env node
import { runCommand, withServers } from '../dist/with-servers.js'

const [command, ...args] = process.argv.slice(2)
if (!command) {
  console.error('usage: with-servers COMMAND [ARGUMENT…]')
  process.exit(2)
}
try {
  process.exitCode = await withServers((env) => runCommand(command, args, { env }))
} catch (error) {
  console.error(`with-servers: ${error.message}`)
  process.exitCode = 1
}
