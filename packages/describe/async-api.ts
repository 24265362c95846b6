import * as contracts from '@cqrs/contracts'
import { refer } from './components.ts'
import { exampleOf, type Schema } from './examples.ts'

/** The AsyncAPI description of the events, from the schemas in contracts. */
export function asyncApi(): object {
  return refer({
    asyncapi: '3.1.0',
    info: {
      title: 'CQRS user service: events',
      version: String(contracts.SCHEMA_VERSION),
      description:
        'CloudEvents 1.0 in JSON on the NATS JetStream stream `USERS`. Each event carries the version of the user ' +
        'and its complete public state, so that events can be applied in any order and more than once.',
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
      contact: { name: 'The operator of this service', url: 'https://example.com', email: 'users@example.com' },
      tags: [tag],
    },
    defaultContentType: 'application/json',
    servers: {
      nats: { host: 'nats:4222', protocol: 'nats', description: 'NATS with JetStream' },
    },
    channels: Object.fromEntries(events.map((event) => [event.channel, channelOf(event)])),
    operations: Object.fromEntries(
      events.flatMap(({ channel, name }) => [
        [`publish${name}`, operation('send', channel, 'command-api publishes it after the change is stored.')],
        [`consume${name}`, operation('receive', channel, 'projector applies it to the read models.')],
      ]),
    ),
    components: { messages: Object.fromEntries(events.map((event) => [event.name, messageOf(event)])), schemas: {} },
  })
}

const tag = { name: 'Users', description: 'Changes of a user' }

type EventSchema = Schema & { properties: Record<string, Schema> & { type: { const: contracts.UserEventType } } }
type Event = { name: string; channel: string; schema: EventSchema }

const isEvent = (value: unknown): value is EventSchema =>
  (value as Partial<EventSchema> | undefined)?.properties?.['specversion'] !== undefined

const events: Event[] = Object.entries(contracts)
  .filter((entry): entry is [string, typeof contracts.UserCreated & EventSchema] => isEvent(entry[1]))
  .map(([name, schema]) => ({
    name,
    channel: `${name.charAt(0).toLowerCase()}${name.slice(1)}`,
    schema: JSON.parse(JSON.stringify(schema)),
  }))

const channelOf = ({ name, schema }: Event) => ({
  address: contracts.subjectOf({ type: schema.properties.type.const, subject: '{userId}' } as contracts.UserEvent),
  parameters: { userId: { description: 'The id of the user (UUIDv7)' } },
  messages: { [name]: { $ref: `#/components/messages/${name}` } },
})

const operation = (action: 'send' | 'receive', channel: string, description: string) => ({
  action,
  channel: { $ref: `#/channels/${channel}` },
  description,
})

const messageOf = ({ name, schema }: Event) => ({
  name,
  title: name,
  contentType: 'application/json',
  headers: {
    type: 'object',
    required: ['Nats-Msg-Id'],
    properties: {
      'Nats-Msg-Id': { type: 'string', description: 'The id of the event, by which JetStream drops duplicates' },
    },
  },
  payload: schema,
  examples: [{ payload: exampleOf(schema) }],
})
