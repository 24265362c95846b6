import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { differences } from '../faults/comparison.ts'
import { silentUser, startSystem } from './system.ts'

const { send, newUser, projector, write, read } = await startSystem(t)
type State = { _id: string; live: string; rebuild?: { filled: number; ownedUntil: Date } }
const states = read.collection<State>('read_models')
const clients = [await newUser(), await newUser(), await newUser()]

const silent = Array.from({ length: 5_000 }, silentUser)
await write.collection<{ _id: string }>('users').insertMany(silent)

t.test('a rebuild that is killed halfway is completed by the next one', async (t) => {
  const first = projector('rebuild', 'users_read_v1')
  await eventually(async () => ((await states.findOne({ _id: 'users_read_v1' }))?.rebuild?.filled ?? 0) > 0, {
    timeoutMs: 30_000,
    intervalMs: 5,
  })
  first.child.kill('SIGSTOP')
  t.match(await projector('rebuild', 'users_read_v1').ended, { code: 1 }, 'a concurrent rebuild is refused')
  first.child.kill('SIGKILL')
  await first.ended
  t.match(await states.findOne({ _id: 'users_read_v1' }), { live: 'users_read_v1', rebuild: {} }, 'nothing is switched')

  // As after 15 s.
  await states.updateOne({ _id: 'users_read_v1' }, { $set: { 'rebuild.ownedUntil': new Date(0) } })
  const { code, stdout: next } = await projector('rebuild', 'users_read_v1').ended
  t.equal(code, 0)
  t.match(next, /5003 users in users_read_v1_\d+, which is live now/)
  for (const name of ['user_stats_v1', 'user_directory_v2'])
    t.match(await projector('rebuild', name).ended, { code: 0 }, name)
  await eventually(async () => (await differences(write, read)).length === 0).catch(() => {})
  t.strictSame(await differences(write, read), [])
})

t.test('during a rebuild no query fails, and no client sees an older version than before', async (t) => {
  const rebuilding = projector('rebuild', 'users_read_v1').ended
  let isOver = false
  void rebuilding.then(() => {
    isOver = true
  })

  async function useIt({ id, token }: { id: string; token: string }) {
    let seen = 0
    let queries = 0
    // Continue after the switch, which query-api notices about a second later.
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
