import { readFileSync } from 'node:fs'
import { allowedMethods, type ProblemCode } from '@cqrs/contracts'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

/** An answer as a client got it; header names in lower case, the body as text. */
export type Answer = {
  method: string
  /** Path and query string as they were sent. */
  path: string
  status: number
  headers: Record<string, unknown>
  body: string
}
type Content = Record<string, { schema: object }>
type Response = { headers?: Record<string, { required?: boolean; schema: object }>; content?: Content }
type Operation = { responses: Record<string, Response> }
type OpenApi = { paths: Record<string, Record<string, Operation>> }

/**
 * Gives a function that says in a sentence how an answer is outside what docs/openapi describes of the whole `api` or of a
 * service alone; undefined where it is inside. The status, the type of the content, the headers that are always there and
 * the body are looked at. `/healthz` and the like, which are not of the API, can answer anything.
 */
export function descriptionOf(name: 'api' | 'command-api' | 'query-api'): (answer: Answer) => string | undefined {
  const file = new URL(`../../../../docs/openapi/${name}.json`, import.meta.url)
  const document = JSON.parse(readFileSync(file, 'utf8')) as OpenApi
  const find = operationsOf(document)
  const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(document, 'api')
  return (answer) => {
    // Fastify ends a path at # as well, which no client should send.
    const pathname = answer.path.split(/[?#]/, 1)[0] ?? ''
    if (ofProcess.test(pathname)) return undefined
    const found = find(answer.method, pathname)
    const wrong = found ? outside({ ...found, ajv }, answer) : outsideOfNothing(answer, pathname)
    const named = `${answer.method} ${answer.path.slice(0, 200)} answered ${answer.status} ${answer.body.slice(0, 200)}`
    return wrong && `${named}: ${wrong}`
  }
}

const ofProcess = /^\/(healthz|readyz|metrics|docs(\/.*)?)$/

function operationsOf(document: OpenApi) {
  const templates = Object.entries(document.paths).map(([path, item]) => ({
    path,
    item,
    parameters: path.split('{').length,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]*')}$`),
  }))
  // A path that stands as it is goes before one with parameters (OpenAPI 3.1, 4.8.8).
  templates.sort((one, other) => one.parameters - other.parameters)
  return (method: string, pathname: string): { operation: Operation; pointer: string } | undefined => {
    const key = method === 'HEAD' ? 'get' : method.toLowerCase()
    const first = templates.find(({ pattern, item }) => pattern.test(pathname) && item[key])
    const operation = first?.item[key]
    return operation && { operation, pointer: `api#/paths/${escaped(first.path)}/${key}` }
  }
}

const escaped = (path: string): string => path.replaceAll('~', '~0').replaceAll('/', '~1')

type Found = { operation: Operation; pointer: string; ajv: Ajv2020 }

function outside({ operation, pointer, ajv }: Found, answer: Answer): string | undefined {
  const response = operation.responses[answer.status]
  if (!response) return `the description has only ${Object.keys(operation.responses).join(', ')}${undeclared}`
  const wrong = Object.entries(response.headers ?? {}).filter(([name, { required, schema }]) => {
    const value = answer.headers[name.toLowerCase()]
    return value === undefined ? required : !ajv.validate(schema, String(value))
  })
  if (wrong.length > 0) return `without ${wrong.map(([name]) => name).join(', ')} of the form described`
  if (!response.content) return emptyBody(answer)
  return outsideContent(response.content, answer, (type) =>
    ajv.getSchema(`${pointer}/responses/${answer.status}/content/${escaped(type)}/schema`),
  )
}

const undeclared = ': where this is meant to be, declare it in the `config` of the route and run `pnpm openapi`'

const emptyBody = ({ body }: Answer): string | undefined => (body === '' ? undefined : 'described without a body')

function outsideContent(
  content: Content,
  { method, headers, body }: Answer,
  schemaOf: (type: string) => ValidateFunction | undefined,
): string | undefined {
  const type = String(headers['content-type']).split(';', 1)[0] ?? ''
  if (!content[type]) return `its content is ${type}, not ${Object.keys(content).join(' or ')}`
  // A HEAD is answered with the headers of GET alone (RFC 9110, 9.3.2).
  if (method === 'HEAD') return emptyBody({ body } as Answer)
  const validate = schemaOf(type)
  if (validate?.(parsed(body))) return undefined
  const errors = (validate?.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  return `${errors.join(', ')}${undeclared}`
}

/** Where there is no operation, only these can be answered. */
const withoutOperation: Partial<Record<ProblemCode, number>> = {
  'route-not-found': 404,
  'method-not-allowed': 405,
  'malformed-request': 400,
  'request-timeout': 408,
  'headers-too-large': 431,
  // A body is read before it is known that nobody wants it.
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
  if (!code || withoutOperation[code] !== status) return 'there is no operation, so there can be no such answer'
  if (!String(headers['content-type']).startsWith('application/problem+json')) return 'it is no problem+json'
  return undefined
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
