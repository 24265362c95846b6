import { Refusal } from '@cqrs/contracts'
import { callerOf, refusing } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { Permission } from '../domain/permissions.ts'

/**
 * The `preHandler` hook of a route on one user, after `authenticate`. It runs before the look-up, so that a stranger
 * does not learn which ids exist. It refuses with `not-allowed`.
 */
export const only = (permission: Permission) =>
  refusing(['not-allowed'], async (request: FastifyRequest): Promise<void> => {
    const { id } = request.params as { id: string }
    const caller = callerOf(request)
    if (!caller || !permission(id, caller)) throw new Refusal('not-allowed')
  })
