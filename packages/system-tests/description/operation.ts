import { type ProblemCode, problem, problems } from '@cqrs/contracts'
import { problemsOf } from '@cqrs/service-kit'
import type { RouteOptions } from 'fastify'
import { exampleOf, type Schema } from './examples.ts'
import { headers, headersOfProblems } from './headers.ts'

type Media = { schema: Schema; example?: unknown; examples?: object }
type Response = { description: string; headers?: Record<string, object>; content?: Record<string, Media> }
type Parameter = { name: string; in: string; schema: Schema; example?: unknown; description?: string }
export type Operation = {
  operationId?: string
  summary?: string
  description?: string
  security?: object[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, Response>
}

/** Adds what the schemas of a route do not tell: words, who may call it, examples, headers, and every refusal. */
export function complete(
  operation: Operation,
  route: RouteOptions,
  { operationId, service }: { operationId: string; service: string },
): void {
  const { summary, description, headers: names = [] } = route.config ?? {}
  if (!summary) throw new Error(`${operationId}: give its route config: { summary, problems: […] }`)
  const codes = problemsOf(route)
  const isOpen = !codes.includes('token-missing')
  operation.summary = summary
  operation.description = [
    `${service} answers this. ${isOpen ? 'No token is needed.' : 'Needs an access token.'}`,
    ...(description ? [description] : []),
  ].join(' ')
  operation.security = isOpen ? [] : [{ accessToken: [] }]
  for (const parameter of operation.parameters ?? []) {
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
  200: 'Done; the answer is in the body.',
  201: 'Created; `Location` is its address.',
  202: 'Accepted; it will be done.',
  204: 'Done; there is nothing to say.',
  304: 'Not modified since the version in `If-None-Match`.',
}

const mediaOf = ({ requestBody, responses }: Operation): Media[] => [
  ...Object.values(requestBody?.content ?? {}),
  ...Object.values(responses).flatMap(({ content }) => Object.values(content ?? {})),
]

/** The answer of one status: which codes it can have, each with an example. */
export function refusal(status: number, codes: ProblemCode[]): Response {
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
