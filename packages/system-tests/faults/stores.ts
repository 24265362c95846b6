import { deadLetterStream, usersStream } from '@cqrs/contracts'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Db } from 'mongodb'

/** Everything that databases and broker store, as text. */
export async function stores({ write, read, nats }: { write: Db; read: Db; nats: NatsConnection }) {
  const manager = await jetstreamManager(nats)
  return [
    { name: 'write database', texts: await documentsOf(write) },
    { name: 'read database', texts: await documentsOf(read) },
    { name: 'stream of events', texts: await messagesOf(manager, usersStream.name) },
    { name: 'stream of dead letters', texts: await messagesOf(manager, deadLetterStream.name) },
  ]
}

async function documentsOf(db: Db): Promise<string[]> {
  const collections = await db.collections()
  const documents = await Promise.all(collections.map((collection) => collection.find().toArray()))
  return documents.flat().map((document) => JSON.stringify(document))
}

/** The messages that a stream has, with their headers. */
export async function messagesOf(manager: JetStreamManager, stream: string): Promise<string[]> {
  const { state } = await manager.streams.info(stream)
  const texts: string[] = []
  for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(stream, { seq })
    if (message) texts.push([...message.header].flat(2).join(' ') + message.string())
  }
  return texts
}
