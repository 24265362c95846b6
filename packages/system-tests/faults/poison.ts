import { randomUUIDv7 } from 'node:crypto'
import { deadLetterStream, SCHEMA_VERSION, type UnreadableReason } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { World } from './world.ts'

/** A message that cannot be applied, on the subject of a user of its own. */
type Poison = { id: string; reason: UnreadableReason }

/** Publishes one message of each kind that can never be applied, between the messages of the load. */
export async function publishPoison({ nats }: World): Promise<Poison[]> {
  const published: Poison[] = []
  for (const [reason, content] of kinds) {
    const id = randomUUIDv7()
    await jetstream(nats).publish(`users.${id}.created`, content(id))
    published.push({ id, reason })
  }
  return published
}

/** @returns the messages that did not become dead letters of each consumer with the right reason, in words */
export async function notSetAside({ nats }: World, poison: Poison[]): Promise<string[]> {
  const manager = await jetstreamManager(nats)
  const expected = poison.flatMap((one) => consumers.map((consumer) => ({ ...one, consumer })))
  const missing = async () => {
    const found = await Promise.all(
      expected.map(({ id, consumer }) =>
        manager.streams.getMessage(deadLetterStream.name, { last_by_subj: `users_dlq.${consumer}.${id}` }),
      ),
    )
    return expected.filter(({ reason }, i) => found[i]?.header.get('reason') !== reason)
  }
  await eventually(async () => (await missing()).length === 0, { timeoutMs: 20_000, intervalMs: 100 }).catch(
    () => undefined,
  )
  return (await missing()).map(({ reason, consumer }) => `${consumer} has not set the ${reason} message aside`)
}

const consumers = ['users_read_v1', 'user_stats_v1', 'welcome-email']

const envelope = (id: string) => ({
  specversion: '1.0',
  id: randomUUIDv7(),
  source: '/faults',
  type: 'UserCreated',
  subject: id,
  time: new Date().toISOString(),
  datacontenttype: 'application/json',
  schemaversion: SCHEMA_VERSION,
  version: 1,
  data: {},
})

const kinds: [reason: UnreadableReason, content: (id: string) => string][] = [
  ['not-json', (id) => JSON.stringify(envelope(id)).slice(0, -5)],
  ['unknown-type', (id) => JSON.stringify({ ...envelope(id), type: 'UserPromoted' })],
  ['unknown-schema-version', (id) => JSON.stringify({ ...envelope(id), schemaversion: 0 })],
  ['invalid', (id) => JSON.stringify({ ...envelope(id), version: 'three' })],
]
