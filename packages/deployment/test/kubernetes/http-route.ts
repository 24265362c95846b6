/**
 * The name of the backend to which an HTTPRoute sends a request. `path` is normalised, without a query string. Supports
 * matches by method and path. Precedence (https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule): an exact
 * path, then the longest prefix, then a match with a method, then the first.
 */
export function backendFor(spec: { rules: Rule[] }, method: string, path: string): string | undefined {
  const fitting = spec.rules
    .flatMap(({ matches, backendRefs }) => matches.map((match) => ({ match, backendRefs })))
    .filter(({ match }) => (match.method ?? method) === method && isBelow(match.path, path))
  const [best] = fitting.sort((a, b) => rank(b.match) - rank(a.match))
  if (best && best.backendRefs.length !== 1) throw new Error('the test does not know weighted backends')
  return best?.backendRefs[0]?.name
}

type Rule = { matches: Match[]; backendRefs: { name: string }[] }
type Match = {
  method?: string
  path: { type: 'Exact' | 'PathPrefix'; value: string }
  headers?: never
  queryParams?: never
}

/** A prefix consists of whole segments: /a/b matches /a/b and /a/b/c, not /a/bc. */
function isBelow({ type, value }: Match['path'], path: string): boolean {
  if (type === 'Exact') return path === value
  return `${path}/`.startsWith(value.endsWith('/') ? value : `${value}/`)
}

/** A method weighs less than any difference in the path. */
const rank = ({ method, path }: Match): number =>
  (path.type === 'Exact' ? 1_000_000 : 0) + path.value.length * 10 + (method ? 1 : 0)
