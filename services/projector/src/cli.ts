import { createLogger, linkNats, mongoClient, readConfig } from '@cqrs/service-kit'
import { dlq } from './cli/dlq.ts'
import { follow } from './cli/follow.ts'
import { rebuild } from './cli/rebuild.ts'
import { verify } from './cli/verify.ts'
import { Config } from './config.ts'

/** `pnpm projector COMMAND …`: an operator's commands for a running system. They use the projector's settings. */
const commands = { dlq, follow, rebuild, verify }

const usage = `usage: pnpm projector COMMAND
  dlq list                            list the dead letters, with the reason for each
  dlq show SEQ                        show one, with its content
  dlq replay SEQ|all                  publish the original messages again
  dlq drop SEQ|all                    delete dead letters
  follow ID                           compare with the write database of this identity from now on
  rebuild users_read|user_stats       fill a new collection beside the live one and switch to it
  rebuild NAME --abandon              give up a rebuild; its collection is dropped later
  verify [--repair]                   compare every read model with the write side
  verify --repair --allow-deletions N delete up to N users whom the write side does not know`

const [name = '', ...args] = process.argv.slice(2)
const command = Object.hasOwn(commands, name) ? commands[name as keyof typeof commands] : undefined
if (!command) fail(usage)

const config = readConfig(Config)
const mongo = mongoClient(config.MONGODB_READ_URI, 'projector-cli')
const connected = Promise.withResolvers<void>()
const logger = createLogger('projector-cli', 'silent')
const nats = linkNats({ url: config.NATS_URL, name: 'projector-cli', logger })
nats.onConnected(() => connected.resolve())
mongo.start()
nats.start()
try {
  const patience = setTimeout(
    () => connected.reject(new Error(`NATS does not answer at ${config.NATS_URL.replace(/\/\/.*@/, '//')}`)),
    5_000,
  )
  await connected.promise
  clearTimeout(patience)
  process.exitCode = await command(args, { db: mongo.db(), nats, fail: () => fail(usage) })
} catch (error) {
  console.error(`error: ${(error as Error).message}`)
  process.exitCode = 1
} finally {
  await nats.close()
  await mongo.close()
}

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}
