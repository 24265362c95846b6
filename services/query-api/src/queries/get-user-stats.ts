import { routes, UserStats } from '@cqrs/contracts'
import { type HttpServer, shares } from '@cqrs/service-kit'
import Type from 'typebox'
import { inTurn } from '../read-store/batches.ts'
import type { Dependencies } from './dependencies.ts'

/** GET /api/v1/stats/users: counts of users, and registrations on the last 31 days that have any. */
export function getUserStats(app: HttpServer, { stats, authenticate }: Dependencies): void {
  const shared = inTurn<UserStats>()
  const oneAtATime = shares({ running: 1, waiting: 1, refusal: 'overloaded' })
  app.get(
    routes.userStats.path,
    {
      config: {
        summary: 'Count users',
        headers: ['Cache-Control'],
        problems: ['overloaded', 'storage-unavailable'],
      },
      onRequest: authenticate,
      schema: { querystring: Type.Object({}, { additionalProperties: false }), response: { 200: UserStats } },
    },
    () =>
      shared(
        '',
        async () => {
          const { byDay, ...sums } = await stats.sums()
          return { ...sums, registrationsByDay: newestDays(byDay) }
        },
        (call) => oneAtATime('', call),
      ),
  )
}

const newestDays = (byDay: Record<string, number>): UserStats['registrationsByDay'] =>
  Object.entries(byDay)
    .filter(([, registrations]) => registrations > 0)
    .map(([day, registrations]) => ({ day, registrations }))
    .sort((one, other) => (one.day < other.day ? 1 : -1))
    .slice(0, 31)
