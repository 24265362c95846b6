const table: Record<string, { description: string; schema: object; required?: boolean }> = {
  Allow: {
    description: 'The methods that this path takes',
    schema: { type: 'string', examples: ['GET, HEAD'] },
  },
  'Cache-Control': {
    description: 'How long the answer may be kept, and by whom',
    schema: { type: 'string', examples: ['no-store'] },
  },
  ETag: {
    description: 'The version of the user, in quotes',
    schema: { type: 'string', pattern: '^"[1-9][0-9]*"$', examples: ['"1"'] },
  },
  'Idempotency-Replayed': {
    description: 'There where the answer is the one that was given to this `Idempotency-Key` before',
    schema: { const: 'true', examples: ['true'] },
    required: false,
  },
  Location: {
    description: 'Where what was created can be queried',
    schema: { type: 'string', examples: ['/api/v1/users/019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'] },
  },
  'Retry-After': {
    description: 'After how many seconds to try again',
    schema: { type: 'string', pattern: '^[1-9][0-9]*$', examples: ['1'] },
  },
  'WWW-Authenticate': {
    description: 'What kind of token is wanted (RFC 6750, 3)',
    schema: { type: 'string', examples: ['Bearer', 'Bearer error="invalid_token"'] },
  },
}

/** The headers of these names as a response has them. @throws where one is not in the table */
export function headers(names: readonly string[]): Record<string, object> {
  const unknown = names.filter((name) => !Object.hasOwn(table, name))
  if (unknown.length > 0) throw new Error(`add to the table of headers: ${unknown.join(', ')}`)
  return Object.fromEntries(names.map((name) => [name, { required: true, ...table[name] }]))
}

const byStatus: Record<number, string[]> = { 405: ['Allow'], 429: ['Retry-After'], 503: ['Retry-After'] }

/** What refusals of a status always have. 401 has `WWW-Authenticate` where a token is wanted, not where a login fails. */
export const headersOfProblems = (status: number): { headers?: Record<string, object> } =>
  byStatus[status] ? { headers: headers(byStatus[status]) } : {}
