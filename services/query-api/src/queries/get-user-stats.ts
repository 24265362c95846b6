import { consistencyTokenHeader, routes, UserStats } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { FreshnessHeaders, freshAnswer, seenOf } from '../freshness/seen.ts'
import { userStats } from '../read-store/user-stats.ts'
import type { Dependencies } from './dependencies.ts'

/** GET /api/v1/stats/users: counts of users, and registrations on the last 31 days that have any. */
export function getUserStats(app: HttpServer, { fresh, authenticate }: Dependencies): void {
  app.get(
    routes.userStats.path,
    {
      config: { summary: 'Count users', ...freshAnswer },
      onRequest: authenticate,
      schema: {
        querystring: Type.Object({}, { additionalProperties: false }),
        headers: FreshnessHeaders,
        response: { 200: UserStats },
      },
    },
    async (request, reply) => {
      const needs = { seen: seenOf(request), readModels: ['user_stats'] as const }
      const { result, token } = await fresh.read(request, needs, (moment) => userStats.sums(moment))
      const { byDay, ...sums } = result
      return reply.header(consistencyTokenHeader, token).send({ ...sums, registrationsByDay: newestDays(byDay) })
    },
  )
}

const newestDays = (byDay: Record<string, number>): UserStats['registrationsByDay'] =>
  Object.entries(byDay)
    .filter(([, registrations]) => registrations > 0)
    .map(([day, registrations]) => ({ day, registrations }))
    .sort((one, other) => (one.day < other.day ? 1 : -1))
    .slice(0, 31)
