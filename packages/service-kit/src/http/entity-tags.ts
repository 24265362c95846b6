import Type from 'typebox'

/** `If-Match` and `If-None-Match`: `*`, or a list of entity tags, possibly with empty elements (RFC 9110, 13.1). */
export const EntityTags = Type.String({
  pattern: '^(?:\\*|[\\t ,]*(?:W/)?"[!#-~\\x80-\\xff]*"(?:[\\t ]*,[\\t ,]*(?:W/)?"[!#-~\\x80-\\xff]*")*[\\t ,]*)$',
  'x-detail': 'must be `*` or a list of entity tags, such as "7"',
  examples: ['"7"'],
})

/** Whether `If-Match` holds for this entity tag. Strong comparison: a weak tag matches nothing (RFC 9110, 8.8.3.2). */
export const ifMatchHolds = (tags: string, etag: string): boolean => tags === '*' || listed(tags).includes(etag)

/** Whether `If-None-Match` holds for this entity tag. Weak comparison: `W/"7"` matches `"7"`. */
export const ifNoneMatchHolds = (tags: string, etag: string): boolean =>
  tags !== '*' && !listed(tags).some((tag) => opaque(tag) === opaque(etag))

const listed = (tags: string): string[] => tags.match(/(?:W\/)?"[^"]*"/g) ?? []

const opaque = (tag: string): string => tag.replace(/^W\//, '')
