import { createLogger, linkNats, mongoClient } from '@cqrs/service-kit'
import type { Config } from '../config.ts'
import { projections } from '../projections/index.ts'
import { dlq } from './dlq.ts'
import { follow } from './follow.ts'
import { rebuild } from './rebuild.ts'
import { shape } from './shape.ts'
import { verify } from './verify.ts'

const commands = { dlq, follow, rebuild, shape, verify }

const names = projections.map(({ name }) => name).join('|')

const usage = `usage: pnpm projector COMMAND
  dlq list                            list the dead letters, with the reason for each
  dlq show SEQ                        show one, with its content
  dlq replay SEQ|all                  publish the original messages again
  dlq drop SEQ|all                    delete dead letters
  follow ID                           compare with the write database of this identity from now on
  rebuild NAME                        fill a new collection of a shape (${names}) and switch to it
  rebuild NAME --abandon              give up a rebuild; its collection is dropped later
  shape list                          list the shapes of every read model
  shape switch NAME                   have queries read this shape, which was filled before
  shape rollback READ_MODEL           have queries read the shape that was live before
  shape drop NAME                     let go of a shape that is not live
  verify [--repair]                   compare every read model with the write side
  verify --repair --allow-deletions N delete up to N users whom the write side does not know`

/** Runs one command. @param settings is called only for a command that exists @returns the exit code */
export async function runCli([name = '', ...args]: string[], settings: () => Config): Promise<number> {
  const command = Object.hasOwn(commands, name) ? commands[name as keyof typeof commands] : undefined
  if (!command) return printUsage()

  const config = settings()
  const mongo = mongoClient(config.MONGODB_READ_URI, 'projector-cli')
  const connected = Promise.withResolvers<void>()
  const logger = createLogger('projector-cli', 'silent')
  const nats = linkNats({ settings: config, name: 'operator', logger })
  nats.onConnected(() => connected.resolve())
  mongo.start()
  nats.start()
  try {
    const patience = setTimeout(
      () => connected.reject(new Error(`${config.NATS_URL}: ${nats.problems().join()}`)),
      5_000,
    )
    await connected.promise
    clearTimeout(patience)
    return await command(args, {
      db: mongo.db(),
      nats,
      fail: () => {
        throw new InvalidArguments()
      },
    })
  } catch (error) {
    if (error instanceof InvalidArguments) return printUsage()
    console.error(`error: ${(error as Error).message}`)
    return 1
  } finally {
    await nats.close()
    await mongo.close()
  }
}

class InvalidArguments extends Error {}

function printUsage(): number {
  console.error(usage)
  return 2
}
