import { readFileSync } from 'node:fs'
import { routes } from '@cqrs/contracts'
import swagger from '@fastify/swagger'
import fastify, { type FastifySchema, type RouteOptions } from 'fastify'
import { refer } from './components.ts'
import { complete, type Operation } from './operation.ts'
import { type ApiService, apiServices, routesOf } from './services.ts'

export type OpenApi = {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object>; securitySchemes: object }
}

/**
 * The OpenAPI description of what the gateway answers, from the routes that the services register.
 * @throws where a service does not register a route that contracts name
 */
export async function openApi(): Promise<OpenApi> {
  const registered = Object.fromEntries(
    await Promise.all(apiServices.map(async (service) => [service, await routesOf(service)] as const)),
  )
  const operations = Object.entries(routes).map(([operationId, { service, method, path }]) => {
    const route = registered[service]?.find((route) => route.method === method && route.url === path)
    if (!route) throw new Error(`${service} has no route ${method} ${path}, which contracts name ${operationId}`)
    return { operationId, service, method, path, route }
  })
  // The details of refusals are keywords of our validator, not of the JSON Schema of the compiler here.
  const app = fastify({ ajv: { customOptions: { keywords: ['x-detail'] } } })
  await app.register(swagger, { openapi: about })
  for (const { operationId, service, method, path, route } of operations) {
    const schema = { operationId, tags: [tags[service].name], ...schemaOf(route) }
    app.route({ method, url: path, schema, handler: () => {} })
  }
  await app.ready()
  const document = app.swagger() as unknown as OpenApi
  await app.close()
  for (const { operationId, service, method, path, route } of operations) {
    const operation = document.paths[path.replaceAll(/:([a-z]+)/g, '{$1}')]?.[method.toLowerCase()]
    if (operation) complete(operation, route, { operationId, service })
  }
  return refer(document)
}

const tags = {
  'command-api': { name: 'Commands', description: 'Change something; answered by command-api.' },
  'query-api': { name: 'Queries', description: 'Read only; answered by query-api, a moment behind the commands.' },
} satisfies Record<ApiService, object>

const guide = readFileSync(new URL('../../docs/reference/guide.md', import.meta.url), 'utf8')

const about = {
  openapi: '3.1.1',
  info: {
    title: 'CQRS user service',
    version: '1',
    description: guide.replaceAll('](problems.html)', '](/docs/problems.html)'),
    license: { name: 'MIT', identifier: 'MIT' } as never,
    contact: { name: 'The operator of this service', url: 'https://example.com' },
  },
  servers: [{ url: '/', description: 'The server that this description comes from' }],
  tags: Object.values(tags),
  components: { securitySchemes: { accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } as const } },
}

function schemaOf({ schema }: RouteOptions): FastifySchema {
  // A copy without the symbols of typebox: the library changes what it is given.
  const { body, params, querystring, headers, response } = JSON.parse(JSON.stringify(schema ?? {}))
  return {
    response: response ?? { 204: { type: 'null' } },
    ...(body && { body }),
    ...(params && { params }),
    ...(querystring && { querystring }),
    ...(headers && { headers }),
  }
}
