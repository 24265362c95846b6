import { Argument, Command, InvalidArgumentError } from 'commander'
import { consumers, pauseConsumer, resumeConsumer } from '../operations/consumers.ts'
import type { CliContext, Run } from './run.ts'

/** `pause` and `resume`: stops the delivery of events to one consumer for a while. */
export function consumerCommands(run: Run): Command[] {
  const named = (name: string, description: string) =>
    new Command(name).description(description).addArgument(new Argument('<consumer>', 'its name').choices(consumers))
  return [
    named('pause', 'deliver no events to a consumer for a while; they wait in the stream')
      .option('--minutes <n>', 'for how long, up to a day', minutesOf, 60)
      .action(run(pause)),
    named('resume', 'deliver events to a paused consumer').action(run(resume)),
  ]
}

async function pause(context: CliContext, consumer: string, { minutes }: { minutes: number }): Promise<undefined> {
  const paused = await pauseConsumer(context, consumer, minutes)
  context.print(paused, `${consumer}: paused until ${paused.pausedUntil.toISOString()}`)
}

async function resume(context: CliContext, consumer: string): Promise<undefined> {
  context.print(await resumeConsumer(context, consumer), `${consumer}: events are delivered again`)
}

function minutesOf(text: string): number {
  if (!/^\d{1,4}$/.test(text) || Number(text) < 1 || Number(text) > 1_440)
    throw new InvalidArgumentError('It must be a number from 1 to 1440.')
  return Number(text)
}
