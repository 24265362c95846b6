import { eventWriters } from '@cqrs/contracts'
import { freshDatabase } from '@cqrs/local-stack/testing'
import { ensureCollections } from '@cqrs/service-kit'
import { type Document, MongoClient } from 'mongodb'
import t from 'tap'
import { collections } from '../src/resources.ts'
import { Outbox } from '../src/store/outbox.ts'
import { UserRepository } from '../src/store/user-repository.ts'
import { UserSync } from '../src/store/user-sync.ts'

const { db, uri } = await freshDatabase(t)
await ensureCollections(db, collections)
const idOf = (n: number) => `019a6f0c-3b5e-7c21-9d52-${String(n).padStart(12, '0')}`
await db.collection<any>('users').insertMany(
  Array.from({ length: 400 }, (_, n) => ({
    _id: idOf(n),
    version: 1,
    ...(n % 10 === 0
      ? { deletedAt: new Date(), ...(n % 100 === 0 && { eraseAt: new Date(n) }) }
      : { email: `${n}@example.com`, createdAt: new Date(), updatedAt: new Date() }),
    outbox: [],
    ...(n % 100 === 0 && { pendingSince: new Date(n) }),
  })),
)

// Explains the commands that the repositories really send, not copies of them.
const monitored = await new MongoClient(uri, { monitorCommands: true }).connect()
t.teardown(() => monitored.close())
const users = new UserRepository(monitored.db(), eventWriters[2], async () => true)
const outbox = new Outbox(monitored.db())
const sync = new UserSync(monitored.db())
const done = { key: 'a key', fingerprint: 'a body', at: new Date() }

for (const { name, run, atMost } of [
  { name: 'a user by id', run: () => users.findById(idOf(1)), atMost: 1 },
  { name: 'a user by address', run: () => users.findByEmail('1@example.com'), atMost: 1 },
  { name: 'a registration by its idempotency key', run: () => users.findRegistered(done), atMost: 1 },
  { name: 'an update by its idempotency key', run: () => users.findUpdate(idOf(1), done), atMost: 1 },
  { name: 'pending events for the sweeper', run: () => Array.fromAsync(outbox.pending()), atMost: 4 },
  { name: 'deleted users to erase', run: () => outbox.toErase(100), atMost: 4 },
  { name: 'the backlog for the metrics', run: () => outbox.backlog(), atMost: 4 },
  { name: 'a page of digests', run: () => sync.digest(idOf(50), 20, ['name']), atMost: 25 },
  { name: 'a range of versions', run: () => sync.versions(idOf(50), idOf(70), 100, ['name']), atMost: 21 },
  { name: 'a page of snapshots', run: () => sync.page(idOf(50), 20), atMost: 20 },
]) {
  t.test(`${name}: no scan, no sort in memory`, async (t) => {
    const commands = (await sent(run)).filter((command) => 'find' in command || 'aggregate' in command)
    t.ok(commands.length > 0)
    for (const command of commands) {
      const { queryPlanner, executionStats, stages } = await db.command({
        explain: command,
        verbosity: 'executionStats',
      })
      const plan = JSON.stringify(queryPlanner?.winningPlan ?? stages)
      t.notMatch(plan, /COLLSCAN|"SORT"/)
      const examined = executionStats?.totalDocsExamined ?? stages[0].$cursor.executionStats.totalDocsExamined
      t.ok(examined <= atMost, `${examined} documents`)
    }
  })
}

async function sent(run: () => Promise<unknown>): Promise<Document[]> {
  const commands: Document[] = []
  const note = ({ command }: { command: Document }) => {
    const { lsid, $db, $clusterTime, txnNumber, ...rest } = command
    commands.push(rest)
  }
  monitored.on('commandStarted', note)
  await run()
  monitored.off('commandStarted', note)
  return commands
}
