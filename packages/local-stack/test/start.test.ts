import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { rm, stat } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { freePorts, freshEnvironment, npmStart } from '../src/testing/npm-start.ts'

t.setTimeout(300_000)

const program = fileURLToPath(new URL('../dist/start.js', import.meta.url))

t.test('a start that cannot succeed says why in one line, and exits with 1', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const free = { DATA_DIR: t.testdir(), ...freePorts }
  const cases: [env: NodeJS.ProcessEnv, message: RegExp][] = [
    [{ ...free, GATEWAY_PORT: 'abc' }, /GATEWAY_PORT=abc/],
    [{ ...free, GATEWAY_PORT: String(port) }, new RegExp(`ports in use: ${port} \\(GATEWAY_PORT\\)`)],
    [{ ...free, MONGODB_URI: 'mongodb://x' }, /set both MONGODB_URI and MONGODB_READ_URI/],
  ]
  for (const [env, message] of cases) {
    const { code, stdout, stderr } = await run(process.execPath, [program], env)
    t.match({ code, stdout }, { code: 1, stdout: /^$/ })
    t.match(stderr, message)
    t.match(stderr, /^error: [^\n]+\n$/)
  }
})

t.test(
  'what a start says is true: addresses, the admin, commands to try; `npm run status` says it again',
  async (t) => {
    const env = await freshEnvironment(t)
    const dataDir = env.DATA_DIR
    const status = () => run(process.execPath, [program.replace('start.js', 'status.js')], env)
    t.match(await status(), { code: 1, stderr: `nothing runs in ${dataDir}: run \`npm start\`\n` })

    const first = await npmStart(t, env)
    for (const [url] of first.said.matchAll(/http:\/\/localhost:\d+(\/(docs|console|metrics))?(?=\s)/g))
      t.equal((await fetch(url, { headers: { accept: 'text/html' } })).status, 200, url)
    t.match(first.said, /\/docs .*\/console .*\/metrics {2}command-api.*\/metrics {2}operator/s)
    const [, email = '', password = '', file = ''] =
      /Admin +(\S+), password (\S+) \(kept in (\S+)\)/.exec(first.said) ?? []
    t.equal(email, 'admin@example.com')
    t.equal((await stat(file)).mode & 0o077, 0, 'the file with the password is for its owner only')
    const api = /API +(\S+)/.exec(first.said)?.[1]
    const logIn = (password: string) =>
      fetch(`${api}/api/v1/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email, password }),
      })
    const session = (await (await logIn(password)).json()) as { accessToken: string }
    const asAdmin = { headers: { authorization: `Bearer ${session.accessToken}` } }
    t.equal((await fetch(`${api}/api/v1/directory/users`, asAdmin)).status, 200, 'it is an admin')

    const toTry = /another terminal:\n(.*?)\n\nMore/s.exec(first.said)?.[1] ?? ''
    for (const time of ['the first time', 'the second time']) {
      const { code, stdout } = await run('bash', ['-e', '-c', `${toTry}\nsleep 1`], {})
      t.equal(code, 0, time)
      t.match(stdout, /^\{"id":.*"version":1\}\n\{"accessToken":/, time)
    }

    const { code, stdout } = await status()
    t.equal(code, 0)
    for (const name of ['command-api', 'projector', 'query-api', 'operator'])
      t.match(stdout, new RegExp(`^ +${name} +ready$`, 'm'))
    t.ok(stdout.includes(first.said.slice(first.said.indexOf('  API '))), 'the same text')

    const seed = (...args: string[]) => run(process.execPath, [program.replace('start.js', 'seed.js'), ...args], env)
    for (const wrong of [['0'], ['1e3'], ['-1'], ['100001'], ['1', '2']]) {
      const { code, stderr } = await seed(...wrong)
      t.match([code, stderr], [1, /^usage: npm run seed[^\n]+\n$/], wrong.join(' '))
    }
    t.match(await seed('12'), { code: 0, stdout: /^12 users registered in \S+ s, 0 existed/ })
    const again = await seed('15')
    t.match(again, { code: 0, stdout: /^3 users registered in \S+ s, 12 existed/ }, 'it can be repeated')
    const toLookAt = /search them:\n(.*?)\n\nThe console/s.exec(again.stdout)?.[1] ?? ''
    const looked = await run('bash', ['-e', '-c', toLookAt], {})
    t.match(looked.stdout, /^\{"data":\[\{"id".*\n\{"data":\[.*"name":"Ada/)
    await first.stop()
    t.match(await status(), { code: 1, stderr: /^nothing runs in \S+: run `npm start`\n$/ })

    // As of data of an earlier release, which had its first admin.
    await rm(file)
    const second = await npmStart(t, env)
    t.notMatch(second.said, /Admin .*password [0-9a-f]{18}/, 'a password that does not work is not shown')
    t.match(second.said, /Admin .*npm run admin:create -- /)
    t.match((await status()).stdout, /Admin .*npm run admin:create -- /)
    await second.stop()

    const given = { ADMIN_EMAIL: email, ADMIN_PASSWORD: password }
    const third = await npmStart(t, { ...env, ...given })
    t.match(third.said, `Admin      ${email}, password as in ADMIN_PASSWORD\n`)
    t.match((await status()).stdout, 'password as in ADMIN_PASSWORD')
    t.notMatch(third.said, password)
    await third.stop()
  },
)

function run(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}
