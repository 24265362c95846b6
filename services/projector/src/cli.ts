import { readConfig } from '@cqrs/service-kit'
import { runCli } from './cli/run-cli.ts'
import { Config } from './config.ts'

/** `npm run projector -- COMMAND …`: an operator's commands for a running system. They use the projector's settings. */
process.exitCode = await runCli(process.argv.slice(2), () => readConfig(Config))
