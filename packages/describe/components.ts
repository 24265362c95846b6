import * as contracts from '@cqrs/contracts'

/**
 * Unicode properties in a pattern mean something else to tools that compile it without the flag `u`, and JSON Schema
 * leaves that open. What such a text must be is in `x-detail`.
 */
const isPortable = (key: string, value: unknown): boolean => key !== 'pattern' || !String(value).includes('\\p{')

type Document = { components: { schemas: object } }

/** The names of the schemas that contracts export, by the JSON of the schema. */
const names = new Map(
  Object.entries(contracts)
    .filter(([name, value]) => /^[A-Z]/.test(name) && typeof value === 'object' && '~kind' in value)
    .map(([name, schema]) => [JSON.stringify(schema), name]),
)

/** Replaces each schema of contracts with a reference, and adds those schemas to the components of the document. */
export function refer<Described extends Document>(document: Described): Described {
  const schemas: Record<string, object> = {}
  const visit = (node: unknown, isRoot = false): unknown => {
    if (Array.isArray(node)) return node.map((item) => visit(item))
    if (typeof node !== 'object' || node === null) return node
    const name = names.get(JSON.stringify(node))
    if (name && !isRoot) {
      schemas[name] ??= visit(node, true) as object
      return { $ref: `#/components/schemas/${name}` }
    }
    return Object.fromEntries(
      Object.entries(node).flatMap(([key, value]) => (isPortable(key, value) ? [[key, visit(value)]] : [])),
    )
  }
  const { schemas: _, ...components } = document.components
  // Refusals already refer to it by name.
  if (JSON.stringify(document).includes('#/components/schemas/Problem'))
    schemas['Problem'] = visit(contracts.Problem, true) as object
  const visited = visit({ ...document, components }) as Described
  const sorted = Object.fromEntries(Object.entries(schemas).sort(([one], [other]) => (one < other ? -1 : 1)))
  return { ...visited, components: { ...visited.components, schemas: sorted } }
}
