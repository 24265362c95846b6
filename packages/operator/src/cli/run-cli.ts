import { userInfo } from 'node:os'
import { createLogger, linkNats, mongoClient } from '@cqrs/service-kit'
import { Command, CommanderError } from 'commander'
import type { CliSettings } from '../config.ts'
import { OperatorActions } from '../operations/actions.ts'
import type { Context } from '../operations/context.ts'
import { consumerCommands } from './consumers.ts'
import { dlqCommand } from './dlq.ts'
import { followCommand } from './follow.ts'
import { rebuildCommand } from './rebuild.ts'
import type { CliContext, Run } from './run.ts'
import { shapeCommand } from './shape.ts'
import { statusCommand } from './status.ts'
import { verifyCommand } from './verify.ts'

/**
 * Runs one command of the command line.
 * @param settings is called only when a command needs them, after its arguments are checked
 * @returns the exit code: 0, 1 if the command failed or found something, 2 for wrong arguments
 */
export async function runCli(args: string[], settings: () => CliSettings): Promise<number> {
  let code = 0
  const program = new Command('projector')
  const print: CliContext['print'] = (object, text) =>
    console.log(program.opts()['json'] ? JSON.stringify(object) : text)
  const run: Run =
    (command, { needsServers = true } = {}) =>
    async (...args) => {
      code = (await connected(settings(), needsServers, (parts) => command({ ...parts, print }, ...args))) ?? 0
    }
  program
    .description('An operator’s commands for a running system.')
    .usage('COMMAND')
    .option('--json', 'print JSON, one object a line')
    .addCommand(dlqCommand(run))
    .addCommand(followCommand(run))
  for (const command of consumerCommands(run)) program.addCommand(command)
  program.addCommand(rebuildCommand(run)).addCommand(shapeCommand(run))
  program.addCommand(statusCommand(run)).addCommand(verifyCommand(run))
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)])
    command
      .exitOverride()
      .showHelpAfterError()
      .configureOutput({
        writeOut: (text) => console.log(text.trimEnd()),
        writeErr: (text) => console.error(text.trimEnd()),
      })
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.code === 'commander.helpDisplayed' ? 0 : error.exitCode && 2
    console.error(`error: ${(error as Error).message}`)
    return 1
  }
}

/** Who calls. In a container, the user has no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.()}`
  }
}

async function connected<Result>(
  config: CliSettings,
  needsServers: boolean,
  call: (parts: Context) => Promise<Result>,
): Promise<Result> {
  const mongo = mongoClient(config.MONGODB_READ_URI, 'operator-cli')
  const nats = linkNats({ settings: config, name: 'operator', logger: createLogger('operator-cli', 'silent') })
  const first = Promise.withResolvers<void>()
  nats.onConnected(() => first.resolve())
  nats.start()
  const giveUp = () =>
    needsServers ? first.reject(new Error(`${config.NATS_URL}: ${nats.problems()}`)) : first.resolve()
  const patience = setTimeout(giveUp, 5_000)
  try {
    await Promise.all([needsServers ? mongo.connectNow() : mongo.start(), first.promise])
    const db = mongo.db()
    const actions = new OperatorActions(db, { actor: `command line: ${userName()}` })
    return await call({ db, nats, actions })
  } finally {
    clearTimeout(patience)
    await nats.close()
    await mongo.close()
  }
}
