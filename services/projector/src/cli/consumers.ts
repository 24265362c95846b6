import { Argument, Command, InvalidArgumentError } from 'commander'
import { ConsumerProgress } from '../consuming/consumer-progress.ts'
import { PausedConsumers } from '../consuming/paused-consumers.ts'
import { projections } from '../projections/index.ts'
import { registrations } from '../welcome-email/welcome-email.ts'
import type { CliContext, Run } from './context.ts'

/** `pause` and `resume`: stops the delivery of events to one consumer for a while. */
export function consumerCommands(run: Run): Command[] {
  const named = (name: string, description: string) =>
    new Command(name).description(description).addArgument(new Argument('<consumer>', 'its name').choices(names))
  return [
    named('pause', 'deliver no events to a consumer for a while; they wait in the stream')
      .option('--minutes <n>', 'for how long, up to a day', minutesOf, 60)
      .action(run(pause)),
    named('resume', 'deliver events to a paused consumer').action(run(resume)),
  ]
}

async function pause({ db, nats, print }: CliContext, consumer: string, { minutes }: { minutes: number }) {
  // In this order, or a projector would resume it in between.
  await new PausedConsumers(db).add(consumer, minutes * 60_000)
  const until = await new ConsumerProgress(nats).pause(consumer, minutes * 60_000)
  print({ consumer, pausedUntil: until }, `${consumer}: paused until ${until.toISOString()}`)
  return 0
}

async function resume({ db, nats, print }: CliContext, consumer: string) {
  await new PausedConsumers(db).remove(consumer)
  await new ConsumerProgress(nats).resume(consumer)
  print({ consumer }, `${consumer}: events are delivered again`)
  return 0
}

const names = [...projections.map(({ name }) => name), registrations.durable]

function minutesOf(text: string): number {
  if (!/^\d{1,4}$/.test(text) || Number(text) < 1 || Number(text) > 1_440)
    throw new InvalidArgumentError('It must be a number from 1 to 1440.')
  return Number(text)
}
