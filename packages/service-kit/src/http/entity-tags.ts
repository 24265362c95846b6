import Type from 'typebox'

/**
 * The value of `If-Match` and `If-None-Match` (RFC 9110, 13.1): `*`, or a list of entity tags, in which a sender may have
 * left elements empty (5.6.1.2).
 */
export const EntityTags = Type.String({
  pattern: '^(?:\\*|[\\t ,]*(?:W/)?"[!#-~\\x80-\\xff]*"(?:[\\t ]*,[\\t ,]*(?:W/)?"[!#-~\\x80-\\xff]*")*[\\t ,]*)$',
  examples: ['"7"'],
})

/** Whether `If-Match` holds for this entity tag: compared strongly, so a weak tag fits nothing (RFC 9110, 8.8.3.2). */
export const ifMatchHolds = (tags: string, etag: string): boolean => tags === '*' || listed(tags).includes(etag)

/** Whether `If-None-Match` holds, which compares weakly: `W/"7"` stands for `"7"`. */
export const ifNoneMatchHolds = (tags: string, etag: string): boolean =>
  tags !== '*' && !listed(tags).some((tag) => opaque(tag) === opaque(etag))

const listed = (tags: string): string[] => tags.match(/(?:W\/)?"[^"]*"/g) ?? []

const opaque = (tag: string): string => tag.replace(/^W\//, '')
