import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { routes } from '@cqrs/contracts'
import { createLogger, generateKeyFiles, type HttpServer } from '@cqrs/service-kit'
import swagger from '@fastify/swagger'
import fastify, { type FastifySchema, type RouteOptions } from 'fastify'
import Value from 'typebox/value'
import { refer } from './components.ts'
import { complete, type Operation } from './operation.ts'

export type ServiceName = 'command-api' | 'query-api'
export type OpenApi = {
  openapi: string
  info: object
  servers: object[]
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object>; securitySchemes: object }
}

/** The OpenAPI description of a service, from the routes that its `buildApp` registers. Nothing is started. */
export async function describeService(name: ServiceName): Promise<OpenApi> {
  const registered = await routesOf(name)
  const app = fastify({ ajv: { customOptions: { keywords: ['x-detail'] } } })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.1',
      info: {
        title: `CQRS user service: ${name}`,
        version: '1',
        description: about[name],
        license: { name: 'MIT', identifier: 'MIT' } as never,
        contact: { name: 'The operator of this service', url: 'https://example.com' },
      },
      servers: [{ url: '/', description: 'Where this description was read from' }],
      tags: [tags[name]],
      components: { securitySchemes: { accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
    },
  })
  const entries = Object.entries(routes).filter(([, route]) => route.service === name)
  for (const [operationId, { method, path }] of entries) {
    const route = registered.find((route) => route.method === method && route.url === path)
    if (!route) throw new Error(`${name} has no route ${method} ${path}, which contracts name ${operationId}`)
    app.route({ method, url: path, schema: schemaOf(route, operationId, name), handler: () => {} })
  }
  await app.ready()
  const document = app.swagger() as unknown as OpenApi
  await app.close()
  for (const [operationId, { method, path }] of entries) {
    const operation = document.paths[path.replaceAll(/:([a-z]+)/g, '{$1}')]?.[method.toLowerCase()]
    const route = registered.find((route) => route.method === method && route.url === path)
    if (operation && route) complete(operation, route, { operationId, service: name })
  }
  return refer(document)
}

const about = {
  'command-api': 'Takes commands: registers users, logs them in, changes and deletes them.',
  'query-api': 'Answers queries about users, from a read model that follows the commands.',
} satisfies Record<ServiceName, string>

const tags = {
  'command-api': { name: 'Commands', description: 'What changes something; command-api answers.' },
  'query-api': { name: 'Queries', description: 'What reads; query-api answers, a moment behind the commands.' },
} satisfies Record<ServiceName, object>

function schemaOf({ schema }: RouteOptions, operationId: string, service: ServiceName): FastifySchema {
  // Without what typebox keeps beside the schema, and a copy: the library changes what it is given.
  const { body, params, querystring, headers, response } = JSON.parse(JSON.stringify(schema ?? {}))
  return {
    operationId,
    tags: [tags[service].name],
    response: response ?? { 204: { type: 'null' } },
    ...(body && { body }),
    ...(params && { params }),
    ...(querystring && { querystring }),
    ...(headers && { headers }),
  }
}

async function routesOf(name: ServiceName): Promise<RouteOptions[]> {
  const folder = new URL(`../../../services/${name}/src/`, import.meta.url)
  const { buildApp } = await import(new URL('app.ts', folder).href)
  const { Config } = await import(new URL('config.ts', folder).href)
  const keys = await mkdtemp(join(tmpdir(), 'keys-'))
  try {
    const { jwksFile } = await generateKeyFiles(keys)
    const config = Value.Default(Config, { JWKS_FILE: jwksFile })
    const parts = new Proxy(
      { logger: createLogger(name, 'silent') },
      { get: (own, key) => Reflect.get(own, key) ?? inert },
    )
    const app: HttpServer = buildApp(config, parts)
    await app.ready()
    await app.close()
    return app.describedRoutes
  } finally {
    await rm(keys, { recursive: true })
  }
}

/** Stands for any part that a route is given and does not use while it is only registered. */
const inert: object = new Proxy(() => inert, { get: (_target, key) => (key === 'then' ? undefined : inert) })

if (import.meta.main) console.log(JSON.stringify(await describeService(process.argv[2] as ServiceName)))
