import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, generateKeyFiles, parseConfig } from '@cqrs/service-kit'
import type { RouteOptions } from 'fastify'
import { Config as CommandApiConfig } from '../../services/command-api/src/config.ts'
import { createCommandApi } from '../../services/command-api/src/service.ts'
import { Config as QueryApiConfig } from '../../services/query-api/src/config.ts'
import { createQueryApi } from '../../services/query-api/src/service.ts'

/** The services that answer the public API. */
export const apiServices = ['command-api', 'query-api'] as const
export type ApiService = (typeof apiServices)[number]

/** Every route that a service registers. The service is created as in production and never started. */
export async function routesOf(name: ApiService): Promise<RouteOptions[]> {
  const keys = await mkdtemp(join(tmpdir(), 'keys-'))
  try {
    const { signingKeyFile, jwksFile } = await generateKeyFiles(keys)
    const service = await create[name]({ ...settings, JWT_SIGNING_KEY_FILE: signingKeyFile, JWKS_FILE: jwksFile })
    const routes = service.app.describedRoutes
    await service.close()
    return routes
  } finally {
    await rm(keys, { recursive: true })
  }
}

const create = {
  'command-api': (env: NodeJS.ProcessEnv) => createCommandApi(parseConfig(CommandApiConfig, env), { logger }),
  'query-api': (env: NodeJS.ProcessEnv) => createQueryApi(parseConfig(QueryApiConfig, env), { logger }),
}

/** Nothing connects to these. */
const settings = { MONGODB_URI: 'mongodb://127.0.0.1/users', MONGODB_READ_URI: 'mongodb://127.0.0.1/users' }

const logger = createLogger('describe', 'silent')
