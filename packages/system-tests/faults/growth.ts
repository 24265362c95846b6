import { waitingUser } from './waiting-user.ts'
import { partOf, type Scenario, underLoad } from './world.ts'

/** What an outage makes grow. */
export const growth: Scenario[] = [
  {
    name: 'thousands of events wait for NATS',
    rounds: 2,
    async fault(world) {
      const nats = partOf(world, 'nats')
      const users = world.write.collection<{ _id: string }>('users')
      const pending = () => users.countDocuments({ pendingSince: { $exists: true } })
      await underLoad(world)
      await nats.kill()
      const waiting = [
        ...Array.from({ length: 500 }, () => waitingUser()),
        ...Array.from({ length: 5_000 }, () => waitingUser({ from: 2 })),
        // As many as one user can have.
        ...Array.from({ length: 20 }, () => waitingUser({ events: 100 })),
      ]
      await users.insertMany(waiting)
      await underLoad(world)
      if ((await pending()) < waiting.length) world.wrong.push('no effect: events are published without NATS')
      await nats.start()
    },
  },
]
