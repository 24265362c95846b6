import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { differences } from '../faults/comparison.ts'
import { startReplica } from '../faults/replica.ts'
import { startSystem } from './system.ts'

const system = await startSystem(t)
const orphan = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'
const anotherOrphan = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c38'

t.test('verify names missing, stale and orphaned documents, and repairs them', async (t) => {
  t.match(await system.projector('verify').ended, { code: 0 })
  const { missing, stale } = await plantDifferences(orphan)

  const { code, stdout } = await system.projector('verify').ended
  t.equal(code, 1)
  for (const [kind, id] of [
    ['missing', missing],
    ['stale', stale],
    ['orphaned', orphan],
  ])
    t.match(stdout, new RegExp(`users_read_v1 +${kind} +${id}`))
  t.match(stdout, /users_read_v1: 3 users compared, 3 differ/)
  t.ok((await differences(system.write, system.read)).length > 0, 'verify without --repair changes nothing')

  t.match(await system.projector('verify', '--repair').ended, { code: 0, stdout: /3 events published/ })
  t.strictSame(await differences(system.write, system.read), [])
  t.match(await system.projector('verify').ended, { code: 0 })
  t.equal((await system.mails()).length, 3, 'no welcome e-mail is sent again')
})

t.test('the background comparison repairs the same differences by itself', async (t) => {
  await system.servers.projector.stop()
  const { server } = await startReplica('projector', { ...system, env: { VERIFY_EVERY_SECONDS: '1' } })
  t.teardown(() => server.kill())
  await plantDifferences(anotherOrphan)
  await eventually(async () => (await differences(system.write, system.read)).length === 0, {
    timeoutMs: 30_000,
  }).catch(() => {})
  t.strictSame(await differences(system.write, system.read), [])
  t.equal((await system.mails()).length, 6, 'no welcome e-mail is sent again')
})

/** Three users; in the read model one document is removed, one is outdated, and one without a user is added. */
async function plantDifferences(orphan: string) {
  const { newUser, write, read, mails } = system
  const mailsBefore = (await mails()).length
  const [missing = '', stale = ''] = [(await newUser()).id, (await newUser()).id, (await newUser()).id]
  await eventually(
    async () => (await differences(write, read)).length === 0 && (await mails()).length === mailsBefore + 3,
  )
  // The write side is ahead by versions that are never published.
  await write.collection<{ _id: string }>('users').updateOne({ _id: stale }, { $set: { name: 'Silent', version: 3 } })
  const readModel = read.collection<{ _id: string }>('users_read_v1')
  const document = await readModel.findOne({ _id: missing })
  await readModel.insertOne({ ...document, _id: orphan })
  await readModel.deleteOne({ _id: missing })
  return { missing, stale }
}
