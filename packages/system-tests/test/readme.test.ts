import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { freshEnvironment, npmStart } from '@cqrs/local-stack/testing'
import t from 'tap'

// What a stranger does: the commands of the README, taken from there, in order, in one shell.
t.setTimeout(300_000)

const root = fileURLToPath(new URL('../../../', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const partOf = (heading: string) => readme.split(`\n## ${heading}\n`)[1]?.split('\n## ', 1)[0] ?? ''
const runIt = partOf('Run it')
const blocks = [...`${runIt}${partOf('Walk through it')}`.matchAll(/^```sh\n(.*?)^```$/gms)].map(
  ([, commands = '']) => commands,
)
/** They start everything again, take minutes, or wait for a key. */
const notHere = ['npm start\n', 'npm run tour\n', 'docker compose up --build --wait\n', 'npm test\n']

const environment = await freshEnvironment(t)
const { said } = await npmStart(t, environment)
const api = /API +(\S+)/.exec(said)?.[1] ?? ''

t.test('the commands of the README work as they stand', async (t) => {
  const commands = blocks.filter((block) => !notHere.includes(block))
  t.equal(commands.length, blocks.length - notHere.length)
  const script = commands
    .join('')
    .replaceAll('http://localhost:8080', api)
    .replace('npm run seed -- 1000', 'npm run seed -- 20')
  const home = t.testdir()
  // An answer of 400 or above fails, and every command must succeed.
  writeFileSync(join(home, '.curlrc'), 'fail\nshow-error\n')
  const { code, output } = await bash(`set -eux -o pipefail\n${script}`, { CURL_HOME: home })
  if (code !== 0) t.comment(output)
  t.equal(code, 0)
  for (const expected of [
    'The system runs in',
    /20 users registered/,
    /HTTP\/1.1 201 Created/,
    /"email":"test@example.com","name":"Test User","roles":\["buyer"\]/,
    /"pagination":\{"limit":10,"offset":0,"total":2\d,/,
    /"roleCount":1,"isBuyer":true/,
    /"name":"Jane Doe","roles":\["buyer","seller"\]/,
    /HTTP\/1.1 204 No Content/,
    /admin you@example.com created .*\npassword/,
  ])
    t.match(output, expected, String(expected))
  t.equal(output.match(/"data":\[\{"id"/g)?.length, 2, 'both lists have users')
})

t.test('what the README shows of a start is what it says', async (t) => {
  const shown = /^```\n(The system is ready.*?)^```$/ms.exec(runIt)?.[1] ?? ''
  const labelled = (lines: string) => [...lines.matchAll(/^ {2}([A-Z]\w+) /gm)].map(([, label = '']) => label)
  t.strictSame(labelled(shown), labelled(said).slice(0, labelled(shown).length))
  for (const [, path = ''] of shown.matchAll(/8080(\/\S+)/g)) t.ok(said.includes(`${api}${path}`), path)
})

async function bash(script: string, env: NodeJS.ProcessEnv): Promise<{ code: number; output: string }> {
  const { PATH, HOME } = process.env
  const child = spawn('bash', ['-c', `exec 2>&1; ${script}`], {
    cwd: root,
    // Only what a terminal has, and where the data is.
    env: { PATH, HOME, DATA_DIR: environment.DATA_DIR, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { code, output }
}
