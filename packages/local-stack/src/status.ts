import { readFile } from 'node:fs/promises'
import { readReadiness } from './gateway/readiness.ts'
import { logsIn } from './start/first-admin.ts'
import { readRunning } from './start/running.ts'
import { welcome } from './start/welcome.ts'

/**
 * `npm run status`: what `npm start` has said, and whether each process is ready. Exits with 1 if nothing runs in
 * DATA_DIR, or a process is not ready.
 */
const dataDir = process.env.DATA_DIR || '.data'
const running = await readRunning(dataDir)
if (running === undefined) fail(`nothing runs in ${dataDir}: run \`npm start\``)
else if (running === 'starting') fail(`the system in ${dataDir} is starting; try again in a moment`)
else {
  const { ports, admin, readySince, pid } = running
  const names = ['command-api', 'projector', 'query-api', 'operator'] as const
  const states = await Promise.all(
    names.map(async (name) => [name, await readReadiness(`http://127.0.0.1:${ports[name]}`)] as const),
  )
  const password = admin.passwordFile && (await readFile(admin.passwordFile, 'utf8').catch(() => undefined))
  // It may have been changed since.
  const canLogIn = password ? await logsIn({ email: admin.email, password }, baseUrl(ports.gateway)) : admin.canLogIn
  console.log(`The system runs in ${dataDir}, as process ${pid}, since ${new Date(readySince).toLocaleString('sv')}.\n`)
  for (const [name, { status, reasons = [], checks = {} }] of states) {
    const down = Object.keys(checks).filter((check) => checks[check] === 'down')
    console.log(['', name.padEnd(11), status, ...down.map((check) => `${check} is down`), ...reasons].join('  '))
  }
  console.log(welcome(running, { ...admin, ...(password && { password }), canLogIn: canLogIn === true }, dataDir))
  if (!states.every(([, { status }]) => status === 'ready')) process.exitCode = 1
}

function baseUrl(port: number): string {
  return `http://localhost:${port}`
}

function fail(message: string): void {
  console.error(message)
  process.exitCode = 1
}
