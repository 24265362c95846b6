import { readFileSync } from 'node:fs'

export type ServiceName = 'command-api' | 'query-api'
type Parameter = { name: string; in: string; example: unknown }
type Described = {
  operationId: string
  security: object[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { example: Record<string, unknown> }> }
}

/** An operation as docs/openapi describes it, with what a good request of it looks like. */
export type Operation = {
  id: string
  service: ServiceName
  method: string
  /** With names in braces. */
  path: string
  needsToken: boolean
  /** Names of the headers that it looks at. */
  headers: string[]
  pathParameters: Record<string, string>
  /** The example of its body; undefined where it takes none. */
  body: Record<string, unknown> | undefined
}

/** Every operation of both services. */
export const operations: Operation[] = (['command-api', 'query-api'] as const).flatMap((service) => {
  const file = new URL(`../../../docs/openapi/${service}.json`, import.meta.url)
  const { paths } = JSON.parse(readFileSync(file, 'utf8')) as { paths: Record<string, Record<string, Described>> }
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { operationId, security, parameters = [], requestBody }]) => ({
      id: operationId,
      service,
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
})
