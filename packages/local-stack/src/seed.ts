import { person } from './seed/people.ts'
import { registerAll } from './seed/register.ts'
import { readRunning } from './start/running.ts'

/**
 * `npm run seed -- [NUMBER]`: registers so many users (default: 1000) with the running system, through its public API.
 * Those who exist are left as they are, so that it can be repeated.
 */
const password = 'violet-kettle-47'
const [wanted = '1000', ...others] = process.argv.slice(2)
const dataDir = process.env.DATA_DIR || '.data'
const running = await readRunning(dataDir)
if (!/^[1-9]\d{0,4}$|^100000$/.test(wanted) || others.length > 0)
  fail('usage: npm run seed -- [NUMBER], from 1 to 100000; default: 1000')
else if (running === undefined) fail(`nothing runs in ${dataDir}: run \`npm start\`, in another terminal`)
else if (running === 'starting') fail(`the system in ${dataDir} is starting; try again in a moment`)
else await seed(Number(wanted), running.ports).catch((error: Error) => fail(`error: ${error.message}`))

async function seed(count: number, ports: { gateway: number; 'mail-web': number }): Promise<void> {
  const api = `http://localhost:${ports.gateway}`
  const people = Array.from({ length: count }, (_, index) => person(index))
  console.error(`Registering ${count} users at ${api}. Hashing a password takes a core about 30 ms.`)
  const startedAt = performance.now()
  const { show, end } = progressLine(count)
  const { created, existed } = await registerAll(people, { api, password, onProgress: show }).finally(end)
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  console.log(`${created} users registered in ${seconds} s, ${existed} existed. The password of each is ${password}

Log in as one of them, list and search them:

  TOKEN=$(curl -s ${api}/api/v1/auth/login -H 'Content-Type: application/json' \\
    -d '{"email": "${people[0]?.email}", "password": "${password}"}' | sed 's/.*"accessToken":"\\([^"]*\\).*/\\1/')
  curl -sw '\\n' -H "Authorization: Bearer $TOKEN" '${api}/api/v1/users?limit=10'
  curl -sw '\\n' -H "Authorization: Bearer $TOKEN" '${api}/api/v1/users?q=ada'

The console shows the system, to its admin (npm run status): ${api}/console
The welcome e-mails: http://localhost:${ports['mail-web']}`)
}

/** One line that is redrawn in a terminal; elsewhere, a new one every 5 s. */
function progressLine(total: number) {
  const { isTTY } = process.stderr
  let shownAt = performance.now()
  return {
    show: (done: number, waits?: string): void => {
      if (performance.now() - shownAt < (isTTY ? 100 : 5_000)) return
      shownAt = performance.now()
      const line = `${done} of ${total}${waits ? `; ${waits}` : ''}`
      process.stderr.write(isTTY ? `\r\x1b[K${line}` : `${line}\n`)
    },
    end: () => void (isTTY && process.stderr.write('\r\x1b[K')),
  }
}

function fail(message: string): void {
  console.error(message)
  process.exitCode = 1
}
