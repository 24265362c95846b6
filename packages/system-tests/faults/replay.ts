import { type RepublishRequest, syncSubjects } from '@cqrs/contracts'
import { jetstream } from '@nats-io/jetstream'
import type { World } from './world.ts'

type Published = { subject: string; data: Uint8Array }

/** What was published since the first round. The stream itself forgets what is handled, and what is deleted. */
const histories = new WeakMap<World, Published[]>()

/**
 * Empties the read models while no projector is running, and republishes every message three times in random order,
 * including those of users that are deleted. From these the projectors have to reach the state of the write side.
 */
export async function replayShuffled(world: World, underLoad: () => Promise<void>): Promise<void> {
  const { nats, processes, random, read } = world
  const history = histories.get(world) ?? listen(world)
  await underLoad()
  await Promise.all(processes.projector.map((projector) => projector.stop()))
  for (const name of ['users_read_v1', 'user_stats_v1']) await read.collection(name).deleteMany({})
  await republishOlder(world, history)

  const stream = jetstream(nats)
  // Of an earlier round it holds the repetitions as well.
  const once = [...new Map(history.map((message) => [String(message.data), message])).values()]
  history.splice(0, history.length, ...once)
  const messages = random.shuffled([...once, ...once, ...once])
  for (let from = 0; from < messages.length; from += 200) {
    await Promise.all(messages.slice(from, from + 200).map(({ subject, data }) => stream.publish(subject, data)))
  }
  await Promise.all(processes.projector.map((projector) => projector.start()))
  await underLoad()
}

function listen(world: World): Published[] {
  const history: Published[] = []
  histories.set(world, history)
  world.nats.subscribe('users.*.*', {
    callback: (_error, { subject, data }) => void history.push({ subject, data }),
  })
  return history
}

/** Users that did not change since the first round have no history: command-api publishes their state again. */
async function republishOlder({ nats, write }: World, history: Published[]): Promise<void> {
  const heard = new Set(history.map(({ subject }) => subject.split('.')[1]))
  const ids = await write
    .collection<{ _id: string }>('users')
    .find({}, { projection: { _id: 1 } })
    .map(({ _id }) => _id)
    .toArray()
  const users = ids.filter((id) => !heard.has(id)).map((id) => ({ id, readVersion: 0, remedy: 'restate' as const }))
  const identity = await write.collection<{ writeDatabase: string }>('identity').findOne()
  if (users.length === 0 || !identity) return
  const request: RepublishRequest = { writeDatabase: identity.writeDatabase, users }
  const reply = await nats.request(syncSubjects.republish, JSON.stringify(request), { timeout: 10_000 })
  const { published } = reply.json<{ published?: number }>()
  if (published !== users.length) throw new Error(`command-api republished ${published} of ${users.length} users`)
}
