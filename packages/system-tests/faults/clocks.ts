import { eventually, wrongClock } from '@cqrs/local-stack/testing'
import { partOf, type Scenario, type Service, underLoad, type World } from './world.ts'

/** Clocks that are wrong. */
export const clocks: Scenario[] = [
  {
    name: 'a clock is 10 minutes fast',
    rounds: 2,
    killsProjectors: true,
    env: { projector: { VERIFY_EVERY_SECONDS: '1' } },
    async fault(world, round) {
      const name = round % 2 === 1 ? 'command-api' : 'projector'
      const own = partOf(world, name)
      await underLoad(world)
      const fast = await world.addReplica(name, wrongClock(600_000))
      if (name === 'command-api') world.baseUrls.push(fast.url)
      await underLoad(world)

      // The fast process gets the lease, works alone for a while, and dies with it.
      const before = await holder(world, name)
      await own.kill()
      const taken = await otherHolder(world, name, before, 'the fast process does not take the lease')
      await underLoad(world)
      await own.start()
      await underLoad(world)
      if (!(await isFast(world, fast))) world.wrong.push(`no effect: the clock of ${name} is right`)
      await fast.server.kill()
      if (name === 'command-api') world.baseUrls.pop()
      await otherHolder(world, name, taken, 'the lease of the fast process is not over')
      await underLoad(world)
    },
  },
]

type Timed = 'command-api' | 'projector'

async function holder({ write, read }: World, name: Timed): Promise<string | undefined> {
  const [db, _id] = name === 'command-api' ? [write, 'outbox-sweeper'] : [read, 'upkeep']
  const lease = await db.collection<{ _id: string; holder: string }>('leases').findOne({ _id })
  return lease?.holder
}

/** Leases last for 5 s and 12 s here. */
async function otherHolder(world: World, name: Timed, than: string | undefined, otherwise: string) {
  const other = async () => {
    const found = await holder(world, name)
    return found !== undefined && found !== than && found
  }
  return await eventually(other, { timeoutMs: 30_000, intervalMs: 100 }).catch(() => {
    world.wrong.push(otherwise)
    return undefined
  })
}

/** Whether it has written or shown a time of the future. */
async function isFast({ write }: World, { name, url }: Service): Promise<boolean> {
  const future = Date.now() + 300_000
  if (name === 'command-api')
    return (await write.collection('users').countDocuments({ updatedAt: { $gt: new Date(future) } })) > 0
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^projector_compared_timestamp_seconds{.*} (\S+)/m.exec(metrics)?.[1]) * 1_000 > future
}
