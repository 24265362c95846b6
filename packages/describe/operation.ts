import { type ProblemCode, problem, problems } from '@cqrs/contracts'
import { problemsOf } from '@cqrs/service-kit'
import type { RouteOptions } from 'fastify'
import { exampleOf, type Schema } from './examples.ts'
import { headers, headersOfProblems } from './headers.ts'

type Media = { schema: Schema; example?: unknown; examples?: object }
type Response = { description: string; headers?: Record<string, object>; content?: Record<string, Media> }
type Parameter = {
  name: string
  in: string
  required?: boolean
  schema: Schema
  example?: unknown
  description?: string
}
export type Operation = {
  operationId?: string
  summary?: string
  description?: string
  security?: object[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, Response>
}

/**
 * Adds to an operation what the schemas of its route do not contain: summary, security, examples, headers and refusals.
 * @throws where the `config` of the route has no summary
 */
export function complete(
  operation: Operation,
  route: RouteOptions,
  { operationId, service }: { operationId: string; service: string },
): void {
  const { summary, description, headers: names = [] } = route.config ?? {}
  if (!summary) throw new Error(`${operationId}: give its route config: { summary, problems: […] }`)
  // Behind the gateway, each service can be unavailable.
  const codes: ProblemCode[] = [...problemsOf(route), 'upstream-unavailable']
  const isOpen = !codes.includes('token-missing')
  operation.summary = summary
  operation.description = [
    `Answered by ${service}. ${isOpen ? 'No access token needed.' : 'Requires an access token.'}`,
    ...(description ? [description] : []),
  ].join(' ')
  operation.security = isOpen ? [] : [{ accessToken: [] }]
  for (const parameter of operation.parameters ?? []) {
    // A schema requires it because validation fills it in.
    if (parameter.schema.default !== undefined) parameter.required = false
    if (parameter.example === undefined) parameter.example = exampleOf(parameter.schema)
  }
  for (const media of mediaOf(operation)) media.example = exampleOf(media.schema)
  for (const [status, response] of Object.entries(operation.responses)) {
    response.description = successes[status] ?? response.description
    if (names.length > 0) response.headers = headers(names)
  }
  const byStatus = Map.groupBy(codes, (code) => problems[code][0])
  for (const [status, codes] of [...byStatus].sort(([one], [other]) => one - other))
    operation.responses[status] = refusal(status, codes)
}

const successes: Record<string, string> = {
  200: 'OK.',
  201: 'Created; `Location` is the address of what was created.',
  202: 'Accepted for processing.',
  204: 'No content.',
  304: 'Not modified since the version in `If-None-Match`.',
}

const mediaOf = ({ requestBody, responses }: Operation): Media[] => [
  ...Object.values(requestBody?.content ?? {}),
  ...Object.values(responses).flatMap(({ content }) => Object.values(content ?? {})),
]

/** The refusals of one status: their codes, each with an example. */
function refusal(status: number, codes: ProblemCode[]): Response {
  return {
    description: codes.map((code) => `\`${code}\`: ${problems[code][1]}`).join('\n\n'),
    ...headersOfProblems(status),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { properties: { status: { const: status }, code: { enum: codes } } },
          ],
        },
        examples: Object.fromEntries(codes.map((code) => [code, { value: example(code) }])),
      },
    },
  }
}

const example = (code: ProblemCode) =>
  code === 'validation-failed'
    ? problem(code, { errors: [{ pointer: '#/body/email', detail: 'must be an e-mail address' }] })
    : problem(code)
