import { type UserReadDocument, type UserReadTombstone, usersReadCollection, usersReadIndexes } from '@cqrs/contracts'
import { freshDatabase } from '@cqrs/local-stack/testing'
import { type Document, type IndexDescription, MongoClient } from 'mongodb'
import t from 'tap'
import { UserReadRepository } from '../src/adapters/user-read-repository.ts'
import { idOf, tombstone, user } from './fixtures/users.ts'

const { db, uri } = await freshDatabase(t)
const stored = db.collection<UserReadDocument | UserReadTombstone>(usersReadCollection)
await stored.createIndexes(usersReadIndexes as unknown as IndexDescription[])
await stored.insertMany(
  Array.from({ length: 400 }, (_, number) =>
    number % 5 === 0 ? tombstone(number) : user(number, number % 2 === 0 ? ['buyer'] : ['seller', 'buyer']),
  ),
)

// The commands that the repository really sends are explained, not copies of them.
const monitored = await new MongoClient(uri, { monitorCommands: true }).connect()
t.teardown(() => monitored.close())
const repository = new UserReadRepository(monitored.db())

const queries: { name: string; run: () => Promise<unknown>; commands: string[]; maxDocuments: number }[] = [
  { name: 'findById', run: () => repository.findById(idOf(7)), commands: ['find'], maxDocuments: 1 },
  {
    name: 'findById of a deleted user',
    run: () => repository.findById(idOf(5)),
    commands: ['find'],
    maxDocuments: 1,
  },
  {
    name: 'list',
    run: () => repository.list({ limit: 20, offset: 30 }),
    commands: ['aggregate', 'find'],
    maxDocuments: 50,
  },
  {
    name: 'listByRole',
    run: () => repository.listByRole('seller', { limit: 20, offset: 30 }),
    commands: ['aggregate', 'find'],
    maxDocuments: 50,
  },
]

t.test('the table names every query of the repository', async (t) => {
  const methods = Object.getOwnPropertyNames(UserReadRepository.prototype).filter((name) => name !== 'constructor')
  for (const method of methods)
    t.ok(
      queries.some(({ name }) => name.split(' ')[0] === method),
      method,
    )
})

for (const { name, run, commands, maxDocuments } of queries) {
  t.test(`${name} is served by an index`, async (t) => {
    const sent = await commandsOf(run)
    t.strictSame(sent.map(commandName).sort(), commands)
    for (const command of sent) {
      const explained = await db.command({ explain: command, verbosity: 'executionStats' })
      const stages = valuesOf('stage', valuesOf('executionStages', explained))
      t.ok(stages.includes('IXSCAN') || stages.includes('COUNT_SCAN'), `an index is used (${stages})`)
      t.notOk(stages.includes('COLLSCAN'), 'no collection scan')
      t.notOk(stages.includes('SORT'), 'no sort in memory')
      // Counting reads the index alone.
      const allowed = commandName(command) === 'aggregate' ? 0 : maxDocuments
      const [examined] = valuesOf('totalDocsExamined', explained) as [number]
      t.ok(examined <= allowed, `${commandName(command)} examines ${examined} documents, at most ${allowed}`)
    }
  })
}

/** The commands that a call sends, without what belongs to its session. */
async function commandsOf(call: () => Promise<unknown>): Promise<Document[]> {
  const commands: Document[] = []
  const listener = ({ command }: { command: Document }) => commands.push(command)
  monitored.on('commandStarted', listener)
  await call()
  monitored.off('commandStarted', listener)
  return commands.map(({ lsid, $db, $clusterTime, $readPreference, maxTimeMS, ...command }) => command)
}

const commandName = (command: Document): string => Object.keys(command)[0] ?? ''

/** Every value that a member of this name has, at whatever depth. */
function valuesOf(member: string, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => (name === member ? [inner] : valuesOf(member, inner)))
}
