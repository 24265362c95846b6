import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { eventWriters, isMailbox, normaliseEmail, Refusal } from '@cqrs/contracts'
import { auditLog, ConfigError, createLogger, missingCollections, mongoClient, readConfig } from '@cqrs/service-kit'
import { createAdmin } from '../commands/create-admin.ts'
import { Config } from '../config.ts'
import { collections } from '../resources.ts'
import { passwordHasher } from '../sign-in/password-hasher.ts'
import { UserRepository } from '../store/user-repository.ts'

/**
 * `npm run admin:create -- admin@example.com`: creates an admin in the write database. The password is ADMIN_PASSWORD,
 * or a random one that is printed once. A running command-api publishes the event with its next sweep.
 */
const { positionals } = parseArgs({ allowPositionals: true })
const [email] = positionals
if (!email || positionals.length > 1 || !isMailbox(normaliseEmail(email)))
  fail('usage: npm run admin:create -- admin@example.com')

const config = readConfig(Config)
const password = config.ADMIN_PASSWORD ?? randomBytes(18).toString('base64url')
const mongo = mongoClient(config.MONGODB_URI, 'create-admin')
try {
  await mongo.connectNow()
  const user = await createAdmin(
    { email, password, name: 'Admin' },
    {
      audit: auditLog(createLogger('create-admin', 'info', process.stderr)),
      users: new UserRepository(mongo.db(), eventWriters[config.EVENT_SCHEMA_VERSION], isMigrated),
      passwords: passwordHasher(config),
    },
  )
  console.log(`admin ${user.email} created with id ${user.id}`)
  if (!config.ADMIN_PASSWORD) console.log(`password (shown only once): ${password}`)
} catch (error) {
  const isForOperator = error instanceof Refusal || error instanceof ConfigError
  fail(`admin not created: ${isForOperator ? error.message : (error as Error).name}`)
} finally {
  await mongo.close()
}

async function isMigrated(): Promise<boolean> {
  const missing = await missingCollections(mongo.db(), collections)
  if (missing.length > 0) console.error(`missing: ${missing.join(', ')}. Run \`node dist/migrate.js\` first`)
  return missing.length === 0
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}
