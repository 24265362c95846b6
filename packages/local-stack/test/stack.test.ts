import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { isListening } from '../src/ports.ts'
import { anyPorts, claimPorts } from '../src/stack/ports.ts'
import { startStack } from '../src/stack/stack.ts'
import { freshDirectory } from '../src/testing/fresh-directory.ts'

t.setTimeout(180_000)

t.test('the system starts, protects its data, and stops completely', async (t) => {
  const dataDir = await freshDirectory(t)
  const logged: string[] = []
  const stack = await startStack({ dataDir, withConsole: true, onLogLine: (line) => logged.push(line) })
  t.teardown(() => stack.stop())
  t.equal((await fetch(`${stack.baseUrl}/healthz`)).status, 200)
  t.equal((await fetch(`${stack.mailUrl}/api/email`)).status, 200)
  const lines = logged.map((line) => JSON.parse(line))
  t.strictSame([...new Set(lines.map(({ service }) => service))].sort(), [
    'command-api',
    'operator',
    'projector',
    'query-api',
  ])
  t.strictSame(
    lines.filter(({ level }) => level !== 'info'),
    [],
    'a first start logs no warning',
  )

  const environment = (service: string) => readFile(join(dataDir, 'env', `${service}.env`), 'utf8')
  t.match(await environment('command-api'), /^MONGODB_URI='mongodb:\/\/command-api:/m)
  t.notMatch(await environment('command-api'), /READ_URI/)
  t.notMatch(await environment('query-api'), /SIGNING_KEY|^MONGODB_URI/m, 'query-api cannot mint tokens or write')
  for (const file of ['env/command-api.env', 'keys/signing-key.pem', 'secrets/command-api', 'mongodb/keyfile']) {
    t.equal((await stat(join(dataDir, file))).mode & 0o077, 0, `${file} is for its owner only`)
  }

  const waiting = startStack({ dataDir })
  await stack.stop()
  for (const [part, port] of Object.entries(stack.ports)) t.notOk(await isListening(port), `${part} has stopped`)
  const next = await waiting
  t.teardown(() => next.stop())
  t.equal((await fetch(`${next.baseUrl}/healthz`)).status, 200, 'a start waits for a stop that is in progress')
  await next.servers.projector.kill()
  t.equal((await fetch(`${next.baseUrl}/healthz`)).status, 503)
  await next.servers.projector.start()
  await next.stop()
})

t.test('a part that cannot start stops the others, and its output says why', async (t) => {
  const ports = await claimPorts(anyPorts)
  const start = startStack({ dataDir: await freshDirectory(t), ports, env: { 'query-api': { LOG_LEVEL: 'loud' } } })
  await t.rejects(start, { message: /query-api did not start: exit code 1.*LOG_LEVEL/s })
  for (const [part, port] of Object.entries(ports)) t.notOk(await isListening(port), `${part} has stopped`)
})
