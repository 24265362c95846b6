import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, generateKeyFiles, type HttpServer } from '@cqrs/service-kit'
import type { RouteOptions } from 'fastify'
import Value from 'typebox/value'
import { buildApp as commandApi } from '../../services/command-api/src/app.ts'
import { Config as CommandApiConfig } from '../../services/command-api/src/config.ts'
import { buildApp as queryApi } from '../../services/query-api/src/app.ts'
import { Config as QueryApiConfig } from '../../services/query-api/src/config.ts'

/** The services that answer the public API. */
export const apiServices = ['command-api', 'query-api'] as const
export type ApiService = (typeof apiServices)[number]

/** Every route that a service registers. The service is created as in production and never started. */
export async function routesOf(name: ApiService): Promise<RouteOptions[]> {
  const keys = await mkdtemp(join(tmpdir(), 'keys-'))
  try {
    const { signingKeyFile, jwksFile } = await generateKeyFiles(keys)
    const service = await create[name]({ JWT_SIGNING_KEY_FILE: signingKeyFile, JWKS_FILE: jwksFile })
    await service.app.ready()
    await service.close()
    return service.app.describedRoutes
  } finally {
    await rm(keys, { recursive: true })
  }
}
const inert: object = new Proxy(() => inert, { get: (_target, key) => (key === 'then' ? undefined : inert) })
const logger = createLogger('describe', 'silent')
const parts: any = new Proxy({ logger }, { get: (own, key) => Reflect.get(own, key) ?? inert })
const create = {
  'command-api': async (env: object) => fake(commandApi(Value.Default(CommandApiConfig, env) as any, parts)),
  'query-api': async (env: object) => fake(queryApi(Value.Default(QueryApiConfig, env) as any, parts)),
}
const fake = (app: HttpServer) => ({ app, close: () => app.close() })
