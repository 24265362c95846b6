import { createServer, connect as dial, type Socket } from 'node:net'
import { eventually } from '@cqrs/local-stack/testing'
import t, { type Test } from 'tap'
import { startCommandApi } from './fixture.ts'

t.test('a publish that timed out and arrives after the deletion is erased later', async (t) => {
  const api = await startCommandApi(t)
  const proxy = await slowProxy(t, Number(new URL(api.nats.url).port))
  const cutOff = await api.replica({ NATS_URL: proxy.url })
  await eventually(async () => (await cutOff.get('/readyz')).body.checks.nats === 'up')
  const { user, token } = await api.newUser()
  await api.published(user.id, 'created')
  const users = api.database.db.collection<any>('users')
  const tombstone = () => users.findOne({ _id: user.id })

  proxy.hold()
  const change = { name: 'Jane Unforgettable', roles: ['buyer'] }
  const { status } = await fetch(`${cutOff.url}/api/v1/users/${user.id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(change),
  })
  t.equal(status, 200)
  t.match(await api.send('DELETE', `/api/v1/users/${user.id}`, undefined, token), { status: 204 })
  await eventually(() => cutOff.logs.some(({ msg }) => /^publishing failed/.test(String(msg))))
  await eventually(async () => (await tombstone()).erasures === 1 && (await tombstone()).outbox.length === 0, {
    timeoutMs: 30_000,
  })
  t.notMatch(JSON.stringify(await api.stream()), /Unforgettable/)

  proxy.release()
  t.match(await api.published(user.id, 'updated'), { data: { user: change } }, 'the publish arrives after the purge')
  const { eraseAt } = await tombstone()
  const inMs = eraseAt.getTime() - Date.now()
  t.ok(inMs > 30_000 && inMs <= 120_000, `it is erased again in ${inMs} ms`)
  await users.updateOne({ _id: user.id }, { $set: { eraseAt: new Date() } }) // as if that time had passed
  await eventually(async () => (await tombstone()).erasures === 2)
  t.strictSame(
    (await api.stream()).filter(({ subject }) => subject === user.id).map(({ type }) => type),
    ['UserDeleted'],
  )
})

/** Forwards to a port of this machine. While it holds, what clients send is kept, and `release` sends it. */
async function slowProxy(t: Test, port: number) {
  const held: [to: Socket, bytes: Buffer][] = []
  let isHolding = false
  const server = createServer((client) => {
    const upstream = dial(port, '127.0.0.1')
    client.on('data', (bytes) => (isHolding ? void held.push([upstream, bytes]) : void upstream.write(bytes)))
    upstream.on('data', (bytes) => void client.write(bytes))
    for (const socket of [client, upstream]) socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  return {
    url: `nats://127.0.0.1:${typeof address === 'object' && address?.port}`,
    hold: () => {
      isHolding = true
    },
    release: () => {
      isHolding = false
      for (const [to, bytes] of held.splice(0)) to.write(bytes)
    },
  }
}
