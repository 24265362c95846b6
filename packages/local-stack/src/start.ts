import { stopEveryServer } from './child-server.ts'
import { printTo } from './log.ts'
import { readGivenDatabases } from './stack/databases.ts'
import { readPorts } from './stack/ports.ts'
import { startStack } from './stack/stack.ts'
import { adminOf, canLogIn } from './start/first-admin.ts'
import { logPrinter } from './start/log-printer.ts'
import { noteRunning } from './start/running.ts'
import { keepServicesRunning } from './start/supervision.ts'
import { welcome } from './start/welcome.ts'

const dataDir = process.env.DATA_DIR || '.data'

// Standard output has only the log of the services, so that it can be piped into a program.
const say = printTo(process.stderr)

const stopAsked = new Promise<'stop'>((resolve) => {
  let askedAt = 0
  const ask = () => {
    // npm forwards Ctrl-C to a process that already got it from the terminal: this is one key press, not two.
    if (askedAt && performance.now() - askedAt > 500) process.exit(130)
    if (!askedAt) say('Stopping…')
    askedAt ||= performance.now()
    resolve('stop')
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask)
  // The script that started this process has ended, and it was the only way for a signal to get here.
  process.on('disconnect', ask)
})

try {
  const ports = readPorts(process.env)
  const databases = readGivenDatabases(process.env)
  const admin = await adminOf(process.env, dataDir)
  const starting = startStack({
    dataDir,
    ports,
    databases,
    settings: { ...process.env, ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password },
    withConsole: true,
    onProgress: say,
    onLogLine: logPrinter(process.stdout),
  })
  const stack = await Promise.race([starting, stopAsked])
  if (stack !== 'stop') {
    admin.canLogIn = await canLogIn(admin, stack.baseUrl, stack.uris.write)
    const { password: _, ...known } = admin
    const running = {
      pid: process.pid,
      readySince: new Date().toISOString(),
      ports: stack.ports,
      hasDatabases: !databases,
      admin: known,
    }
    const forget = await noteRunning(dataDir, running)
    say(`\nThe system is ready after ${process.uptime().toFixed(1)} s.`)
    say(welcome(running, admin, dataDir))
    const serverDied = keepServicesRunning(stack.servers, say, stopAsked)
    const failure = await Promise.race([stopAsked, serverDied])
    if (failure !== 'stop') {
      say(`error: ${failure}`)
      process.exitCode = 1
    }
    await forget()
    await stack.stop()
  }
} catch (error) {
  say(`error: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
await stopEveryServer()
process.exit()
