import { Refusal } from '@cqrs/contracts'
import { callerOf, refusing } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../config.ts'

export type MayList = ReturnType<typeof mayList>

/** The `preHandler` hook of a list of users, which shows everybody's address. It refuses with `not-allowed`. */
export const mayList = ({ LISTS_FOR }: Pick<Config, 'LISTS_FOR'>) =>
  refusing(['not-allowed'], async (request: FastifyRequest): Promise<void> => {
    if (LISTS_FOR === 'admins' && !callerOf(request)?.roles.includes('admin')) throw new Refusal('not-allowed')
  })
