export type Schema = {
  type?: string
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  allOf?: Schema[]
  $ref?: string
  default?: unknown
  example?: unknown
  examples?: unknown[]
  minimum?: number
  properties?: Record<string, Schema>
  items?: Schema
}

/** A value of the schema: its own example where it has one, otherwise one built from the examples of its parts. */
export function exampleOf(schema: Schema): unknown {
  if (schema.examples) return schema.examples[0]
  if ('example' in schema) return schema.example
  if ('const' in schema) return schema.const
  if (schema.enum) return schema.enum[0]
  if (schema.default !== undefined) return schema.default
  if (schema.anyOf?.[0]) return exampleOf(schema.anyOf[0])
  if (schema.properties)
    return Object.fromEntries(Object.entries(schema.properties).map(([name, part]) => [name, exampleOf(part)]))
  if (schema.items) return [exampleOf(schema.items)]
  return (
    { integer: schema.minimum ?? 1, number: schema.minimum ?? 1, boolean: true, null: null }[schema.type ?? ''] ??
    'text'
  )
}
