import { userStatsCollection, usersReadCollection, usersStream } from '@cqrs/contracts'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { World } from './scenario.ts'

type Published = { subject: string; data: Uint8Array }

/**
 * Empties the read models while no projector is running, and republishes every message three times in random order,
 * including those of users that are deleted. From these the projectors have to reach the state of the write side.
 */
export async function replayShuffled(world: World, underLoad: () => Promise<void>): Promise<void> {
  const { nats, processes, random, read } = world
  const heard: Published[] = []
  const listening = nats.subscribe('users.*.*', {
    callback: (_error, { subject, data }) => void heard.push({ subject, data }),
  })
  await underLoad()
  await Promise.all(processes.projector.map((projector) => projector.kill()))
  for (const name of [usersReadCollection, userStatsCollection]) await read.collection(name).deleteMany({})
  listening.unsubscribe()

  // `heard` contains the histories that deletions have purged from the stream.
  const history = [...heard, ...(await streamed(nats))]
  const stream = jetstream(nats)
  const messages = random.shuffled([...history, ...history, ...history])
  for (let from = 0; from < messages.length; from += 200) {
    await Promise.all(messages.slice(from, from + 200).map(({ subject, data }) => stream.publish(subject, data)))
  }
  await Promise.all(processes.projector.map((projector) => projector.start()))
  await underLoad()
}

/** Every message that is in the stream. */
async function streamed(nats: NatsConnection): Promise<Published[]> {
  const manager = await jetstreamManager(nats)
  const { state } = await manager.streams.info(usersStream.name)
  const messages: Published[] = []
  if (state.messages === 0) return messages
  const consumer = await manager.jetstream().consumers.get(usersStream.name)
  for await (const { subject, data, info } of await consumer.consume()) {
    messages.push({ subject, data })
    if (info.pending === 0) break
  }
  return messages
}
