import { Command, InvalidArgumentError } from 'commander'
import { follow } from '../operations/comparison.ts'
import type { CliContext, Run } from './run.ts'

/** `follow`: makes the read models follow another write database. */
export const followCommand = (run: Run): Command =>
  new Command('follow')
    .description('compare with the write database of this identity from now on')
    .argument('<identity>', 'as `verify` and the log name it', identityOf)
    .action(run(followAnother))

async function followAnother(context: CliContext, writeDatabase: string): Promise<undefined> {
  const before = await follow(context, writeDatabase)
  const text = `the read models follow the write database ${writeDatabase}; before: ${before ?? 'none'}`
  context.print({ follows: writeDatabase, before }, text)
}

function identityOf(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) throw new InvalidArgumentError('It must be a UUID.')
  return text
}
