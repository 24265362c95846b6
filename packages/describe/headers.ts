const table: Record<string, { description: string; schema: object; required?: boolean }> = {
  Allow: {
    description: 'The methods that this path accepts',
    schema: { type: 'string', examples: ['GET, HEAD'] },
  },
  'Cache-Control': {
    description: 'Who may cache the response, and for how long',
    schema: { type: 'string', examples: ['no-store'] },
  },
  'Consistency-Token': {
    description:
      'What this answer says or shows, for the `Consistency-Token` of later queries, which are then not older. ' +
      'Several can be combined, separated by commas; the latest answer of a query includes those that it was given',
    schema: { type: 'string', pattern: '^[\\w-]+$', examples: ['eyJhdCI6MTc5NTg4Nzc0MiwidXNlcnMiOltdfQ'] },
  },
  ETag: {
    description: 'The version of the user as an entity tag',
    schema: { type: 'string', pattern: '^"[1-9][0-9]*"$', examples: ['"1"'] },
  },
  'Idempotency-Replayed': {
    description: 'Present where the response is a replay of the first response to this `Idempotency-Key`',
    schema: { const: 'true', examples: ['true'] },
    required: false,
  },
  Location: {
    description: 'The address of the created resource',
    schema: { type: 'string', examples: ['/api/v1/users/019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'] },
  },
  'Retry-After': {
    description: 'Seconds to wait before the next attempt',
    schema: { type: 'string', pattern: '^[1-9][0-9]*$', examples: ['1'] },
  },
  'WWW-Authenticate': {
    description: 'The kind of token that is required (RFC 6750, 3)',
    schema: { type: 'string', examples: ['Bearer', 'Bearer error="invalid_token"'] },
  },
}

/** Describes the response headers with these names. @throws where the table has no such header */
export function headers(names: readonly string[], { required = true } = {}): Record<string, object> {
  const unknown = names.filter((name) => !Object.hasOwn(table, name))
  if (unknown.length > 0) throw new Error(`add to the table of headers: ${unknown.join(', ')}`)
  return Object.fromEntries(names.map((name) => [name, { required, ...table[name] }]))
}

const byStatus: Record<number, string[]> = {
  401: ['WWW-Authenticate'],
  // Where the user was found to be deleted.
  404: ['Consistency-Token'],
  405: ['Allow'],
  429: ['Retry-After'],
  503: ['Retry-After'],
}

/** The headers of every refusal with this status. */
export const headersOfProblems = (status: number): { headers?: Record<string, object> } =>
  byStatus[status] ? { headers: headers(byStatus[status], { required: status !== 404 }) } : {}
