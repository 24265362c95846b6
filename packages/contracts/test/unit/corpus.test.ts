import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { eventOf, eventWriters, parseUserEvent, SCHEMA_VERSION, type UserEvent } from '../../src/index.ts'

// Events as each released schema version writes them: they wait in outboxes, streams and dead letters. A file is never
// changed again; a new version adds one.
const directory = new URL('../corpus/', import.meta.url)
const corpus = readdirSync(directory).map((file) => ({
  version: Number(/\d+/.exec(file)),
  events: JSON.parse(readFileSync(new URL(file, directory), 'utf8')) as UserEvent[],
}))
const ofToday = corpus.find(({ version }) => version === SCHEMA_VERSION)?.events ?? []

t.test('every version that was ever written is in the corpus, with an event of each type', async (t) => {
  t.strictSame(
    corpus.map(({ version }) => version).sort(),
    Array.from({ length: SCHEMA_VERSION }, (_, n) => n + 1),
  )
  for (const { version, events } of corpus) {
    t.ok(events.every(({ schemaversion }) => schemaversion === version))
    t.strictSame([...new Set(events.map(({ type }) => type))].sort(), ['UserCreated', 'UserDeleted', 'UserUpdated'])
  }
})

t.test('today’s code reads every one, with all that it said', async (t) => {
  for (const { events } of corpus)
    for (const event of events) {
      const read = parseUserEvent(Buffer.from(JSON.stringify(event)))
      t.match(read, { ...event, schemaversion: SCHEMA_VERSION }, `${event.type} of version ${event.schemaversion}`)
    }
})

t.test('what today’s code writes has the form in the corpus: another form is another version', async (t) => {
  for (const event of ofToday.filter(({ type }) => type !== 'UserCreated')) {
    const { id, source, time, traceparent, version, data } = event
    const { changed: _, ...state } = { changed: [], ...data }
    const written = eventOf({ id: event.subject, version, ...state } as never, { id, source, time, traceparent })
    t.strictSame(Object.keys(written).sort(), Object.keys(event).sort())
    t.strictSame(written, { ...event, ...(event.type === 'UserUpdated' && { data: { ...data, changed: [] } }) })
  }
})

t.test('an event says the same in each version that can be written', async (t) => {
  t.ok(SCHEMA_VERSION in eventWriters)
  for (const [version, write] of Object.entries(eventWriters))
    for (const event of ofToday) {
      const written = write(event)
      t.equal(written.schemaversion, Number(version))
      t.match(parseUserEvent(Buffer.from(JSON.stringify(written))), event)
    }
})
