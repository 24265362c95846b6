import { readFileSync } from 'node:fs'
import { allowedMethods, type ProblemCode, routes } from '@cqrs/contracts'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { saw } from './seen.ts'

/** A response as a client got it; header names in lower case, the body as text. */
export type Answer = {
  method: string
  /** Path and query string as they were sent. */
  path: string
  status: number
  headers: Record<string, unknown>
  body: string
}
type Content = Record<string, { schema: { allOf?: { properties?: { code?: { enum: ProblemCode[] } } }[] } }>
type Response = { headers?: Record<string, { required?: boolean; schema: object }>; content?: Content }
type Operation = { operationId: keyof typeof routes; responses: Record<string, Response> }
export type OpenApi<Described = Operation> = { paths: Record<string, Record<string, Described>> }

/** The description of the API, docs/openapi/api.json. */
export const readDescription = <Described = Operation>(): OpenApi<Described> =>
  JSON.parse(readFileSync(new URL('../../../../docs/openapi/api.json', import.meta.url), 'utf8'))

/**
 * Gives a function that compares a response with the description of the API: its status, content type, required headers
 * and body. It returns one sentence where they differ, undefined where they agree. The responses that agree are
 * recorded, so that `npm test` finds those that no test has seen. Responses of `/healthz` and the like are not part of
 * the API and always agree.
 * @param name `api` for what the gateway answers, a service for what it answers without the gateway
 * @param isRecorded false for random requests, whose responses no test expects
 */
export function descriptionOf(
  name: 'api' | 'command-api' | 'query-api',
  { isRecorded = true } = {},
): (answer: Answer) => string | undefined {
  const document = name === 'api' ? readDescription() : partOf(name, readDescription())
  const find = operationsOf(document)
  const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(document, 'api')
  return (answer) => {
    // Fastify ends a path at # as well, which no client should send.
    const pathname = answer.path.split(/[?#]/, 1)[0] ?? ''
    if (ofProcess.test(pathname)) return undefined
    const described = find(answer.method, pathname)
    const difference = described ? outside({ ...described, ajv }, answer) : outsideOfNothing(answer, pathname)
    if (difference) {
      const { method, path, status, body } = answer
      return `${method} ${path.slice(0, 200)} answered ${status} ${body.slice(0, 200)}: ${difference}`
    }
    if (isRecorded) record(answer, described?.operation.operationId)
    return undefined
  }
}

const ofProcess = /^\/(healthz|readyz|metrics|docs(\/.*)?)$/

function record({ status, body }: Answer, operationId: string | undefined): void {
  const { code } = status < 400 ? {} : (Object(parsed(body)) as { code?: ProblemCode })
  if (operationId) saw([operationId, status, ...(code ? [code] : [])].join(' '))
  if (code) saw(`problem ${code}`)
}

/** The operations of one service. Without the gateway, `upstream-unavailable` does not exist. */
function partOf(service: 'command-api' | 'query-api', document: OpenApi): OpenApi {
  for (const item of Object.values(document.paths)) {
    for (const [method, { operationId, responses }] of Object.entries(item)) {
      if (routes[operationId].service !== service) delete item[method]
      for (const { schema } of Object.values(responses['503']?.content ?? {})) {
        const { code } = schema.allOf?.find(({ properties }) => properties)?.properties ?? {}
        if (code) code.enum = code.enum.filter((one) => one !== 'upstream-unavailable')
      }
    }
  }
  return document
}

function operationsOf(document: OpenApi) {
  const templates = Object.entries(document.paths).map(([path, item]) => ({
    path,
    item,
    parameters: path.split('{').length,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]*')}$`),
  }))
  // A path without parameters takes precedence (OpenAPI 3.1, 4.8.8).
  templates.sort((one, other) => one.parameters - other.parameters)
  return (method: string, pathname: string): { operation: Operation; pointer: string } | undefined => {
    const key = method === 'HEAD' ? 'get' : method.toLowerCase()
    const first = templates.find(({ pattern, item }) => pattern.test(pathname) && item[key])
    const operation = first?.item[key]
    return operation && { operation, pointer: `api#/paths/${escaped(first.path)}/${key}` }
  }
}

const escaped = (path: string): string => path.replaceAll('~', '~0').replaceAll('/', '~1')

type DescribedOperation = { operation: Operation; pointer: string; ajv: Ajv2020 }

function outside({ operation, pointer, ajv }: DescribedOperation, answer: Answer): string | undefined {
  const response = operation.responses[answer.status]
  if (!response) return `the description has only ${Object.keys(operation.responses).join(', ')}${undeclared}`
  const wrong = Object.entries(response.headers ?? {}).filter(([name, { required, schema }]) => {
    const value = answer.headers[name.toLowerCase()]
    return value === undefined ? required : !ajv.validate(schema, String(value))
  })
  if (wrong.length > 0) return `without ${wrong.map(([name]) => name).join(', ')} as described`
  if (!response.content) return emptyBody(answer)
  return outsideContent(response.content, answer, (type) =>
    ajv.getSchema(`${pointer}/responses/${answer.status}/content/${escaped(type)}/schema`),
  )
}

const undeclared = ': if this is intended, declare it in the `config` of the route and run `npm run openapi`'

const emptyBody = ({ body }: Pick<Answer, 'body'>): string | undefined =>
  body === '' ? undefined : 'described without a body'

function outsideContent(
  content: Content,
  { method, headers, body }: Answer,
  schemaOf: (type: string) => ValidateFunction | undefined,
): string | undefined {
  const type = String(headers['content-type']).split(';', 1)[0] ?? ''
  if (!content[type]) return `its content type is ${type}, not ${Object.keys(content).join(' or ')}`
  // HEAD is answered with the headers of GET and no body (RFC 9110, 9.3.2).
  if (method === 'HEAD') return emptyBody({ body })
  const validate = schemaOf(type)
  if (validate?.(parsed(body))) return undefined
  const errors = (validate?.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  return `${errors.join(', ')}${undeclared}`
}

/** The only refusals of a request that no operation takes. */
const withoutOperation: Partial<Record<ProblemCode, number>> = {
  'route-not-found': 404,
  'method-not-allowed': 405,
  'malformed-request': 400,
  'request-timeout': 408,
  'headers-too-large': 431,
  // A body is read before the server knows that nothing needs it.
  'malformed-json': 400,
  'body-too-large': 413,
  'unsupported-media-type': 415,
  'upstream-unavailable': 503,
}

function outsideOfNothing({ method, status, headers, body }: Answer, pathname: string): string | undefined {
  const methods = allowedMethods(pathname).join(', ')
  if (status === 405 && headers['allow'] !== methods) return `Allow should be ${methods}`
  if (method === 'HEAD') return Object.values(withoutOperation).includes(status) ? undefined : 'there is no operation'
  const { code } = Object(parsed(body)) as { code?: ProblemCode }
  if (!code || withoutOperation[code] !== status) return 'there is no operation that could answer this'
  if (!String(headers['content-type']).startsWith('application/problem+json')) return 'it is not problem+json'
  return undefined
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
