import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { differences } from '../faults/comparison.ts'
import { type System, startSystem } from './system.ts'

const orphan = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'

t.test('verify names what is missing, stale and orphaned, and repairs it', async (t) => {
  const system = await startSystem(t)
  t.match(await system.projector('verify').ended, { code: 0 })
  const { missing, stale } = await plantDifferences(system)

  const { code, stdout } = await system.projector('verify').ended
  t.equal(code, 1)
  for (const [kind, id] of [
    ['missing', missing],
    ['stale', stale],
    ['orphaned', orphan],
  ])
    t.match(stdout, new RegExp(`users_read +${kind} +${id}`))
  t.match(stdout, /users_read: 3 users compared, 3 differ/)
  t.ok((await differences(system.write, system.read)).length > 0, 'looking changes nothing')

  t.match(await system.projector('verify', '--repair').ended, { code: 0, stdout: /3 events published/ })
  t.strictSame(await differences(system.write, system.read), [])
  t.match(await system.projector('verify').ended, { code: 0 })
  t.equal((await system.mails()).length, 3, 'nobody is welcomed a second time')
})

t.test('the comparison in the background heals the same without anyone', async (t) => {
  const system = await startSystem(t, { projector: { VERIFY_EVERY_SECONDS: '1' } })
  await plantDifferences(system)
  await eventually(async () => (await differences(system.write, system.read)).length === 0, {
    timeoutMs: 30_000,
  }).catch(() => {})
  t.strictSame(await differences(system.write, system.read), [])
  t.equal((await system.mails()).length, 3, 'nobody is welcomed a second time')
})

/** Three users; of the read model's documents one is taken away, one made older, and one added that is nobody's. */
async function plantDifferences({ newUser, write, read, mails }: System) {
  const [missing = '', stale = ''] = [(await newUser()).id, (await newUser()).id, (await newUser()).id]
  await eventually(async () => (await differences(write, read)).length === 0 && (await mails()).length === 3)
  // The write side is ahead by versions of which the read side never hears.
  await write.collection<{ _id: string }>('users').updateOne({ _id: stale }, { $set: { name: 'Silent', version: 3 } })
  const readModel = read.collection<{ _id: string }>('users_read')
  const document = await readModel.findOne({ _id: missing })
  await readModel.insertOne({ ...document, _id: orphan })
  await readModel.deleteOne({ _id: missing })
  return { missing, stale }
}
