import { readConfig } from '@cqrs/service-kit'
import { runCli } from './cli/run-cli.ts'
import { CliSettings } from './config.ts'

/** `npm run projector -- COMMAND …`: an operator's commands for a running system. */
process.exitCode = await runCli(process.argv.slice(2), () => readConfig(CliSettings))
