import { parseArgs } from 'node:util'
import { heading, ignoreInterruption, interrupt, neverWait, say, show, until, waitForKey } from './kit.ts'
import { People } from './people.ts'
import { steps } from './steps/index.ts'
import { dropOurLetters } from './steps/poison-event.ts'
import { caughtUp, connectTo, findSystem, notReady, type System } from './system.ts'

/**
 * `npm run tour`: plays the running system, step by step, and puts everything back. Exits with 1 if nothing runs or a
 * step fails, with 130 after Ctrl-C.
 */
const usage = 'usage: npm run tour -- [--no-wait] [--commands NUMBER], from 10 to 1000; default: 200'

let askedAt = 0
const ask = () => {
  // npm forwards Ctrl-C to a process that already got it from the terminal: this is one key press, not two.
  if (askedAt && performance.now() - askedAt > 500) process.exit(130)
  if (askedAt) return
  askedAt = performance.now()
  process.exitCode = 130
  say('\nStopping. Ctrl-C again ends at once, and leaves the users of the tour.')
  interrupt()
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask)

try {
  const { commands, isWaiting } = readArguments()
  if (!isWaiting) neverWait()
  const dataDir = process.env.DATA_DIR || '.data'
  const running = await findSystem(dataDir)
  const system = await connectTo(running, dataDir)
  try {
    await tour(system, commands)
  } finally {
    await system.close()
  }
} catch (error) {
  // This is what Ctrl-C ends a step with.
  if ((error as Error).name !== 'AbortError') {
    console.error(`error: ${(error as Error).message}`)
    process.exitCode = 1
  }
}

function readArguments() {
  try {
    const { values } = parseArgs({ options: { 'no-wait': { type: 'boolean' }, commands: { type: 'string' } } })
    const commands = Number(values.commands ?? 200)
    if (Number.isInteger(commands) && commands >= 10 && commands <= 1_000)
      return { commands, isWaiting: !values['no-wait'] }
  } catch {
    // Said below.
  }
  throw new Error(usage)
}

async function tour(system: System, commands: number): Promise<void> {
  const people = new People(system)
  heading(`A tour of the system at ${system.pages.docs}`)
  say(
    `${steps.length} steps, some ten minutes. It registers users at @tour.example and changes them, stops the ` +
      'projector and NATS for some seconds, kills the projector once, publishes an event that nobody can read, and ' +
      'rebuilds a read model. Other users are not changed, but their changes become visible later than usual while ' +
      'a process is stopped. At the end, and after Ctrl-C, everything is put back.',
  )
  const { email, passwordFile } = system.running.admin
  say(`\nThe console asks for an admin: ${email}, with the password in ${passwordFile ?? 'ADMIN_PASSWORD'}.`)
  const seen: [title: string, fact: string][] = []
  try {
    await waitForKey('begin', [system.pages.console('overview')])
    for (const [i, step] of steps.entries()) {
      heading(`${i + 1}/${steps.length}  ${step.title}`)
      say(`${step.about}\n`)
      seen.push([step.title, await step.run({ system, people, commands })])
      const isLast = i === steps.length - 1
      await waitForKey(isLast ? 'the summary' : 'the next step', [...step.pages(system), step.document])
    }
    heading('What you have seen')
    for (const [title, fact] of seen) show(title, fact)
  } finally {
    await putBack(system, people)
  }
}

/** What the steps stopped and broke, they have mended themselves. */
async function putBack(system: System, people: People): Promise<void> {
  ignoreInterruption()
  heading('Putting everything back')
  await caughtUp(system)
  await dropOurLetters(system)
  show('users of the tour deleted', await people.deleteAll())
  await until('every process is ready', async () => (await notReady(system.running)).length === 0)
  show('every process', 'ready')
}
