import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario, World } from './scenario.ts'

/** Every fault of the suite, in the order of the report. */
export const scenarios: Scenario[] = [
  {
    name: 'kill -9 of a service',
    rounds: 50,
    async fault(world) {
      const name = world.random.oneOf(['command-api', 'projector', 'query-api'] as const)
      await takeAway(world, name, 500)
    },
  },
  {
    name: 'kill -9 of NATS',
    rounds: 10,
    fault: (world) => takeAway(world, 'nats', 3_000),
  },
  {
    name: 'NATS away for a minute',
    rounds: 1,
    async fault(world) {
      await world.stack.servers.nats.kill()
      await delay(60_000)
      await world.stack.servers.nats.start()
    },
  },
  {
    name: 'kill -9 of the read database',
    rounds: 5,
    fault: (world) => takeAway(world, 'mongodb-read', 3_000),
  },
  {
    name: 'kill -9 of the write database',
    rounds: 5,
    fault: (world) => takeAway(world, 'mongodb', 3_000),
  },
  {
    name: 'the mail server refuses, and goes away',
    rounds: 4,
    async fault(world, round) {
      const { mail } = world
      await underLoad(world)
      if (round % 2 === 0) mail.refuse(451)
      else await mail.stop()
      await underLoad(world)
      if (round % 2 === 0) mail.accept()
      else await mail.start()
    },
  },
]

/** Kills a part at a random moment under load, leaves it dead for up to `atMostMs`, and starts it again. */
async function takeAway(world: World, name: keyof World['stack']['servers'], atMostMs: number): Promise<void> {
  const server = world.stack.servers[name]
  if (!server) throw new Error(`${name} is not ours to kill`)
  await underLoad(world)
  await server.kill()
  await delay(world.random.between(0, atMostMs))
  await server.start()
  await underLoad(world)
}

const underLoad = ({ random }: World) => delay(random.between(200, 1_500))
