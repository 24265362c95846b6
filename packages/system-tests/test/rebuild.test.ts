import { randomUUIDv7 } from 'node:crypto'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { differences } from '../faults/comparison.ts'
import { startSystem } from './system.ts'

const { send, newUser, projector, write, read } = await startSystem(t)
const states = read.collection<{ _id: string; live: string; rebuild?: { filled: number } }>('read_models')
const clients = [await newUser(), await newUser(), await newUser()]

// Users that the read side has never heard of: the rebuild alone can bring them.
const now = new Date()
const silent = Array.from({ length: 5_000 }, (_, n) => ({
  _id: randomUUIDv7(),
  email: `silent-${n}@example.com`,
  passwordHash: 'none',
  name: `Silent ${n}`,
  roles: ['buyer'],
  isActive: true,
  version: 1,
  createdAt: now,
  updatedAt: now,
  outbox: [],
}))
await write.collection<{ _id: string }>('users').insertMany(silent)

t.test('a rebuild that is killed in the middle is finished by the next', async (t) => {
  const first = projector('rebuild', 'users_read')
  await eventually(async () => ((await states.findOne({ _id: 'users_read' }))?.rebuild?.filled ?? 0) > 0, {
    timeoutMs: 30_000,
    intervalMs: 5,
  })
  first.child.kill('SIGSTOP')
  t.match(await projector('rebuild', 'users_read').ended, { code: 1 }, 'a second one beside it is refused')
  first.child.kill('SIGKILL')
  await first.ended
  t.match(await states.findOne({ _id: 'users_read' }), { live: 'users_read', rebuild: {} }, 'nothing is switched')

  // The dead one is taken to be alive for a while.
  const next = await eventually(
    async () => {
      const { code, stdout } = await projector('rebuild', 'users_read').ended
      return code === 0 && stdout
    },
    { timeoutMs: 60_000, intervalMs: 1_000 },
  )
  t.match(next, /5003 users in users_read_\d+, which is live now/)
  t.match(await projector('rebuild', 'user_stats').ended, { code: 0 })
  await eventually(async () => (await differences(write, read)).length === 0).catch(() => {})
  t.strictSame(await differences(write, read), [])
})

t.test('while a rebuild goes on no query fails, and no client sees an older version than before', async (t) => {
  const rebuilding = projector('rebuild', 'users_read').ended
  let isOver = false
  void rebuilding.then(() => {
    isOver = true
  })

  async function useIt({ id, token }: { id: string; token: string }) {
    let seen = 0
    let queries = 0
    // On beyond the switch, which query-api learns of about a second later.
    for (let after = 0; after < 100; after += isOver ? 1 : 0) {
      if (queries % 5 === 0) {
        const name = `Change ${queries}`
        t.equal((await send('PUT', `/api/v1/users/${id}`, { name, roles: ['buyer'] }, token)).status, 200)
      }
      const one = await send('GET', `/api/v1/users/${id}`, undefined, token)
      if (one.status !== 200 || one.body.version < seen) t.fail('a query', { one, seen })
      seen = one.body.version
      const list = await send('GET', '/api/v1/users?limit=5', undefined, token)
      if (list.status !== 200 || list.body.data.length !== 5) t.fail('a list', { list })
      queries++
    }
    return queries
  }
  const queries = await Promise.all(clients.map(useIt))
  t.comment(`${queries.join(' + ')} queries`)

  t.match(await rebuilding, { code: 0 })
  await eventually(async () => (await differences(write, read)).length === 0).catch(() => {})
  t.strictSame(await differences(write, read), [])
})
