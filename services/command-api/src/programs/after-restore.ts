import { parseArgs } from 'node:util'
import { eventWriters } from '@cqrs/contracts'
import { auditLog, createLogger, missingCollections, mongoClient, readConfig } from '@cqrs/service-kit'
import Type from 'typebox'
import { Config } from '../config.ts'
import { collections } from '../resources.ts'
import { raiseVersions } from '../store/raise-versions.ts'
import { UserRepository } from '../store/user-repository.ts'
import { identityOf } from '../store/write-database.ts'

/**
 * `npm run users:restored`: run it once the write database is restored from a backup (docs/restore.md), before anybody
 * changes users again. It gives each user a version above all that was published since the backup, and ends every
 * session. A running command-api publishes the events with its next sweep. Interrupted, it continues when run again.
 */
const { positionals } = parseArgs({ allowPositionals: true })
if (positionals.length > 0) fail('usage: npm run users:restored')

const config = readConfig(Type.Pick(Config, ['MONGODB_URI', 'EVENT_SCHEMA_VERSION']))
const mongo = mongoClient(config.MONGODB_URI, 'after-restore')
const audit = auditLog(createLogger('after-restore', 'info', process.stderr))
try {
  const db = (await mongo.connectNow()).db()
  const missing = await missingCollections(db, collections)
  if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}. Run \`node dist/migrate.js\` first`)
  await identityOf(db)
  const users = new UserRepository(db, eventWriters[config.EVENT_SCHEMA_VERSION], async () => true)
  const { version, raised } = await raiseVersions(db, users)
  console.log(`${raised} users raised to version ${version}; their sessions ended`)
  audit({ action: 'after-restore', outcome: 'success' })
} catch (error) {
  audit({ action: 'after-restore', outcome: 'failure' })
  fail(`error: ${(error as Error).message}; run this again to continue`)
} finally {
  await mongo.close()
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}
