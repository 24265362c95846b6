import { routes } from '@cqrs/contracts'
import { readDescription } from '@cqrs/local-stack/testing'

export type ServiceName = 'command-api' | 'query-api'
type Parameter = { name: string; in: string; example: unknown }
type Described = {
  operationId: keyof typeof routes
  security: object[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { example: Record<string, unknown> }> }
}

/** An operation as docs/openapi describes it, with the parts of a valid request. */
export type Operation = {
  id: string
  service: ServiceName
  method: string
  /** With parameter names in braces. */
  path: string
  needsToken: boolean
  /** Names of the headers that it reads. */
  headers: string[]
  pathParameters: Record<string, string>
  /** The example of its body; undefined if it takes none. */
  body: Record<string, unknown> | undefined
}

/** Every operation of both services. */
export const operations: Operation[] = Object.entries(readDescription<Described>().paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, { operationId, security, parameters = [], requestBody }]) => ({
    id: operationId,
    service: routes[operationId].service,
    method: method.toUpperCase(),
    path,
    needsToken: security.length > 0,
    headers: parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name),
    pathParameters: Object.fromEntries(
      parameters.filter((parameter) => parameter.in === 'path').map(({ name, example }) => [name, String(example)]),
    ),
    body: Object.values(requestBody?.content ?? {})[0]?.example,
  })),
)
