import {
  type DirectoryDocument,
  readModelsCollection,
  type UserReadDocument,
  type UserReadTombstone,
  type UserStatsSums,
  userDirectoryIndexes,
  usersReadIndexes,
} from '@cqrs/contracts'
import { freshDatabase } from '@cqrs/local-stack/testing'
import { type Document, type IndexDescription, MongoClient } from 'mongodb'
import t from 'tap'
import { type Moment, ReadDatabase } from '../src/read-store/read-database.ts'
import { UserDirectoryRepository } from '../src/read-store/user-directory-repository.ts'
import { UserReadRepository } from '../src/read-store/user-read-repository.ts'
import { UserSearchRepository } from '../src/read-store/user-search-repository.ts'
import { userStats } from '../src/read-store/user-stats.ts'
import { entry, idOf, sums, tombstone, user } from './fixtures/users.ts'

const { db, uri } = await freshDatabase(t)
const stored = db.collection<UserReadDocument | UserReadTombstone>('users_read_v1')
await stored.createIndexes(usersReadIndexes as unknown as IndexDescription[])
await stored.insertMany(
  Array.from({ length: 400 }, (_, number) =>
    number % 5 === 0
      ? tombstone(number)
      : {
          ...user(number, number % 2 === 0 ? ['buyer'] : ['seller', 'buyer']),
          ...(number % 40 === 1 && { tokensFromVersion: 2, tokensRevokedAt: new Date(0), revokedAt: new Date() }),
          ...(number % 40 === 2 && { tokensFromVersion: 2, tokensRevokedAt: new Date(0) }),
          isActive: number % 3 > 0,
          createdAt: new Date('2025-11-11'),
        },
  ),
)
const directory = db.collection<DirectoryDocument | UserReadTombstone>('user_directory_v2')
await directory.createIndexes(userDirectoryIndexes as unknown as IndexDescription[])
await directory.insertMany(
  Array.from({ length: 400 }, (_, number) =>
    number % 5 === 0 ? tombstone(number) : entry(number, number % 2 === 0 ? ['buyer'] : ['seller', 'buyer']),
  ),
)
const stats = db.collection<UserStatsSums | { _id: string }>('user_stats_v1')
await stats.insertMany([sums({ users: 320 }), ...Array.from({ length: 320 }, (_, number) => ({ _id: idOf(number) }))])

// Explains the commands that the repositories send, not copies of them.
const monitored = await new MongoClient(uri, { monitorCommands: true }).connect()
t.teardown(() => monitored.close())
const database = new ReadDatabase(monitored.db())
await database.identity()
const repository = new UserReadRepository(database)
const search = new UserSearchRepository()
const users = new UserDirectoryRepository()

const queries: { name: string; run: (moment: Moment) => Promise<unknown>; maxDocuments: number }[] = [
  { name: 'findByIds', run: (moment: Moment) => repository.findByIds([7, 8, 9].map(idOf), moment), maxDocuments: 3 },
  {
    name: 'findByIds of a deleted user',
    run: (moment: Moment) => repository.findByIds([idOf(5)], moment),
    maxDocuments: 1,
  },
  { name: 'revokedWithin', run: () => repository.revokedWithin(3_600_000), maxDocuments: 90 },
  ...[{ offset: 30 }, { after: idOf(200) }].flatMap((from) => {
    const page = { limit: 20, ...from }
    const maxDocuments = 'offset' in from ? 50 : 20
    const name = Object.keys(from)
    const [createdAfter, createdBefore] = [new Date('2025-01-01'), new Date('2027-01-01')]
    return [
      { name: `list ${name}`, run: (moment: Moment) => repository.list(page, moment), maxDocuments },
      {
        name: `listByRole ${name}`,
        run: (moment: Moment) => repository.listByRole('seller', page, moment),
        maxDocuments,
      },
      {
        name: `list active ${name}`,
        run: (moment: Moment) => repository.list({ ...page, isActive: true }, moment),
        maxDocuments,
      },
      {
        name: `list inactive ${name}`,
        run: (moment: Moment) => repository.list({ ...page, isActive: false }, moment),
        maxDocuments,
      },
      {
        name: `list registered between ${name}`,
        run: (moment: Moment) => repository.list({ ...page, createdAfter, createdBefore }, moment),
        maxDocuments,
      },
      {
        name: `list inactive registered between ${name}`,
        run: (moment: Moment) => repository.list({ ...page, isActive: false, createdAfter, createdBefore }, moment),
        maxDocuments,
      },
    ]
  }),
  ...[undefined, true, false].flatMap((isActive) =>
    [undefined, { key: 'User 200', id: idOf(200) }].flatMap((after) => {
      const page = { limit: 20, isActive, after }
      const name = `${isActive} ${after?.key}`
      return [
        { name: `byName ${name}`, run: (moment: Moment) => search.byName(page, moment), maxDocuments: 20 },
        {
          name: `byName beginning ${name}`,
          run: (moment: Moment) => search.byName({ ...page, prefix: 'user' }, moment),
          maxDocuments: 20,
        },
        {
          name: `byEmail ${name}`,
          run: (moment: Moment) => search.byEmail({ ...page, prefix: 'user' }, moment),
          maxDocuments: 20,
        },
      ]
    }),
  ),
  ...[undefined, { at: entry(1).updatedAt.getTime(), id: idOf(200) }].flatMap((after) =>
    [{}, { word: 'user' }, { role: 'seller' as const }].map((among) => ({
      name: `byChange ${JSON.stringify(among)} ${after?.id ?? ''}`,
      run: (moment: Moment) => users.byChange({ ...among, limit: 20, after }, moment),
      maxDocuments: 20,
    })),
  ),
  { name: 'sums', run: (moment: Moment) => userStats.sums(moment), maxDocuments: 1 },
  { name: 'totals', run: (moment: Moment) => userStats.totals(moment), maxDocuments: 1 },
]

t.test('every query of the repositories is tested', async (t) => {
  const methods = [
    UserReadRepository.prototype,
    UserSearchRepository.prototype,
    UserDirectoryRepository.prototype,
    userStats,
  ].flatMap((of) => Object.getOwnPropertyNames(of).filter((name) => name !== 'constructor'))
  for (const method of methods)
    t.ok(
      queries.some(({ name }) => name.split(' ')[0] === method),
      method,
    )
})

for (const { name, run, maxDocuments } of queries) {
  t.test(`${name} uses an index`, async (t) => {
    const sent = await commandsOf(run)
    t.ok(sent.length > 0)
    for (const command of sent) {
      t.match(commandName(command), /^(find|aggregate)$/, 'no count')
      const explained = await db.command({ explain: command, verbosity: 'executionStats' })
      const stages = valuesOf('stage', valuesOf('executionStages', explained))
      t.ok(
        stages.some((stage) => indexStages.has(stage)),
        `an index is used (${stages})`,
      )
      t.notOk(stages.includes('COLLSCAN'), 'no collection scan')
      t.notOk(stages.includes('SORT'), 'no sort in memory')
      const [examined] = valuesOf('totalDocsExamined', explained) as [number]
      t.ok(examined <= maxDocuments, `examines ${examined} documents, at most ${maxDocuments}`)
      const [keys] = valuesOf('totalKeysExamined', explained) as [number]
      t.ok(keys <= maxDocuments + 5, `examines ${keys} keys, at most ${maxDocuments + 5}`)
    }
  })
}

// Stages for queries by `_id`; EXPRESS_IXSCAN since MongoDB 8.0.
const indexStages = new Set<unknown>(['IXSCAN', 'IDHACK', 'EXPRESS_IXSCAN'])

/** The commands of a call, without session fields, and without the look-ups of the live collection and of the time. */
async function commandsOf(call: (moment: Moment) => Promise<unknown>): Promise<Document[]> {
  const commands: Document[] = []
  const listener = ({ command }: { command: Document }) => commands.push(command)
  monitored.on('commandStarted', listener)
  await database.at({}, call)
  monitored.off('commandStarted', listener)
  const queried = commands
    .filter((command) => command['find'] !== readModelsCollection && !command['hello'])
    .map(ownPart)
  return queried.map(({ lsid, $db, $clusterTime, $readPreference, maxTimeMS, readConcern, ...command }) => command)
}

/** The first read of a moment comes together with the names of the live collections: here without those. */
function ownPart({ aggregate, pipeline, ...rest }: Document): Document {
  const [own] = (pipeline ?? []).flatMap((stage: Document) => stage['$unionWith'] ?? [])
  return own ? { aggregate: own.coll, pipeline: own.pipeline, ...rest } : { ...rest, ...(aggregate && { aggregate }) }
}

const commandName = (command: Document): string => Object.keys(command)[0] ?? ''

/** The values of all members with this name, at any depth. */
function valuesOf(member: string, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => (name === member ? [inner] : valuesOf(member, inner)))
}
