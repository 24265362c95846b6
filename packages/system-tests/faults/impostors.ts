import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { usersStream } from '@cqrs/contracts'
import { migrate } from '@cqrs/local-stack'
import { type Ended, eventually, freshDatabase, runProgram } from '@cqrs/local-stack/testing'
import { jetstreamManager } from '@nats-io/jetstream'
import { contentsOf, restore } from './backup.ts'
import { environmentOf } from './replica.ts'
import { partOf, type Scenario, underLoad, type World } from './world.ts'

/** Parts that come back older, or are other ones. */
export const impostors: Scenario[] = [
  {
    name: 'the write database is restored from a backup',
    rounds: 2,
    env: { projector: { VERIFY_EVERY_SECONDS: '2' } },
    // Users who are deleted after the backup and before their e-mail are back without one.
    losesEvents: true,
    fault: restoreWriteDatabase,
  },
  {
    name: 'NATS comes back older',
    rounds: 3,
    // Only the comparison finds events that were handled by some consumers and lost for others.
    env: { projector: { VERIFY_EVERY_SECONDS: '2' } },
    losesEvents: true,
    fault: restoreNats,
  },
  {
    name: 'a command-api with another, empty write database',
    rounds: 2,
    env: { projector: { VERIFY_EVERY_SECONDS: '1' } },
    async fault(world) {
      const { warnings, onEnd, stack } = world
      await underLoad(world)
      const { uri } = await freshDatabase({ teardown: onEnd })
      const own = { MONGODB_URI: uri, NATS_URL: stack?.uris.nats as string }
      await migrate({ name: 'command-api', own: { ...own, ...stack?.natsUsers.migrate }, settings: {} })
      const before = warnings.length
      const foreign = await world.addReplica('command-api', own)
      const isRefused = () => warnings.slice(before).some((line) => /follow the write database .* answers/.test(line))
      await eventually(isRefused, { timeoutMs: 20_000 }).catch(() => {
        world.wrong.push('no effect: the projector does not refuse the other write database')
      })
      // Several more comparisons.
      await delay(5_000)
      await foreign.server.kill()
      await underLoad(world)
    },
  },
]

/** As docs/restore.md says. Commands that were acknowledged after the backup are lost, and only those. */
async function restoreWriteDatabase(world: World): Promise<void> {
  const { acknowledged, dataDir, write } = world
  const commandApi = partOf(world, 'command-api')
  await underLoad(world)
  const kept = new Map(acknowledged)
  const backup = await contentsOf(write)
  await underLoad(world)

  await commandApi.stop()
  if (isDeepStrictEqual(acknowledged, kept)) world.wrong.push('no effect: nothing was acknowledged after the backup')
  await restore(write, backup)
  acknowledged.clear()
  for (const [id, state] of kept) acknowledged.set(id, state)
  const raised = await runProgram('command-api', 'programs/after-restore.js', [], environmentOf('command-api', dataDir))
  if (raised.code !== 0) world.wrong.push(`after-restore failed: ${raised.output}`)
  await commandApi.start()
  await underLoad(world)

  // Users who registered after the backup: up to 10 are deleted by the comparison, of more a person decides.
  const verify = (...args: string[]): Promise<Ended> =>
    runProgram('operator', 'cli.js', ['verify', ...args], environmentOf('operator', dataDir))
  const decided = async () => {
    const { stdout } = await verify()
    const held = /--allow-deletions (\d+)/.exec(stdout)?.[1]
    if (held) await verify('--repair', '--allow-deletions', held)
    return !held
  }
  await eventually(decided, { timeoutMs: 60_000, intervalMs: 500 })
  await underLoad(world)
}

/** The store of NATS as it was some hundred events before. */
async function restoreNats(world: World): Promise<void> {
  const { dataDir, nats } = world
  const server = partOf(world, 'nats')
  const [store, backup] = [join(dataDir, 'nats/jetstream'), join(dataDir, 'older')]
  const lastSequence = async () => {
    const { streams } = await jetstreamManager(nats)
    return (await streams.info(usersStream.name)).state.last_seq
  }
  await underLoad(world)
  await server.kill()
  await rm(backup, { recursive: true, force: true })
  await cp(store, backup, { recursive: true })
  await server.start()
  const copied = await eventually(lastSequence, { timeoutMs: 20_000 })
  const newest = await eventually(
    async () => {
      const sequence = await lastSequence()
      return sequence > copied + 200 && sequence
    },
    { timeoutMs: 60_000 },
  )

  await server.kill()
  await rm(store, { recursive: true })
  await cp(backup, store, { recursive: true })
  await server.start()
  if ((await eventually(lastSequence, { timeoutMs: 20_000 })) >= newest)
    world.wrong.push('no effect: NATS is not older')
  await underLoad(world)
}
