import { readFileSync, writeFileSync } from 'node:fs'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startSystem } from './system.ts'

const { send, newUser, servers, keysRotate, jwksFile } = await startSystem(t)
const old = await newUser()
const pids = () => [servers['command-api'].pid, servers['query-api'].pid]
const before = pids()

const kidOf = (token: string): string => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
const query = async (token: string) => (await send('GET', '/api/v1/users', undefined, token)).status
const command = async ({ id, token }: typeof old) =>
  (await send('PUT', `/api/v1/users/${id}`, { name: crypto.randomUUID(), roles: ['buyer'] }, token)).status
const published = async (): Promise<string[]> =>
  (await send('GET', '/.well-known/jwks.json')).body.keys.map(({ kid }: { kid: string }) => kid)

t.test('while keys rotate, both sides accept every token, and new tokens are signed by the new key', async (t) => {
  let isOver = false
  const statuses: number[] = []
  const kids = new Set<string>()
  const using = (async () => {
    while (!isOver) {
      const fresh = await newUser()
      kids.add(kidOf(fresh.token))
      statuses.push(await query(fresh.token), await command(fresh), await query(old.token), await command(old))
    }
  })()
  const { code, output } = await keysRotate()
  t.match({ code, output }, { code: 0, output: /switched to the next key/ })
  t.match(output, /"action":"rotate-keys","outcome":"success","actor":"operator","msg":"audit"/)
  await eventually(() => kids.size === 2)
  isOver = true
  await using
  t.strictSame([...new Set(statuses)], [200], `${statuses.length} requests`)
  t.strictSame((await published()).sort(), [...kids].sort())
  t.ok(kids.has(kidOf(old.token)))
  t.strictSame(pids(), before, 'neither service was restarted')
})

t.test('the old key is removed when its tokens have expired, and not before', async (t) => {
  const fresh = await newUser()
  t.match(await keysRotate('prune'), { code: 0, output: /removed public keys: none/ })
  t.equal(await query(old.token), 200)

  const text = readFileSync(jwksFile, 'utf8')
  writeFileSync(jwksFile, text.replace(/"retiredAt": "[^"]+"/, '"retiredAt": "2026-01-01T00:00:00.000Z"'))
  t.match(await keysRotate('prune'), { code: 0, output: new RegExp(kidOf(old.token)) })
  await eventually(async () => (await query(old.token)) === 401 && (await command(old)) === 401)
  t.equal(await query(fresh.token), 200)
  t.strictSame(await published(), [kidOf(fresh.token)])
  t.strictSame(pids(), before)
})

t.test('step by step: the next key is published first, and signs after the switch', async (t) => {
  const { token } = await newUser()
  t.match(
    await keysRotate('switch'),
    { code: 1, output: /"rotate-keys-switch","outcome":"failure"/ },
    'there is none yet',
  )
  const { output } = await keysRotate('next')
  t.equal((await published()).length, 2)
  t.equal(kidOf((await newUser()).token), kidOf(token))
  t.match(await keysRotate('switch'), { code: 0 })
  const next = await eventually(async () => {
    const kid = kidOf((await newUser()).token)
    return kid !== kidOf(token) && kid
  })
  t.match(output, next)
  t.equal(await query(token), 200)
})
