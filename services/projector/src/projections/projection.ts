import type { ShownState, StateField, UserEvent, UserEventType } from '@cqrs/contracts'

/**
 * One shape of a read model with one document per user. An event carries the whole state of its user, so the document
 * follows from the user's last event alone, and duplicate or late events change nothing.
 */
export type Projection<Document extends VersionedDocument = VersionedDocument> = {
  /**
   * The name of its shape, such as `users_read_v1`: also of its first collection (a rebuild creates another) and of its
   * durable consumer. The stream has no old events: a rebuild fills a new projection.
   */
  name: string
  indexes: readonly Index[]
  /** From event to document. A new event type does not compile until every projection handles it. */
  on: ByEventType<Document>
  /** What the documents show of a user's state: compared with the write side, so that wrong content is found. */
  shows: { fields: readonly StateField[]; of(document: Document): ShownState }
  /** Sums over the documents of all users, kept in one more document of the collection. */
  sums?: Sums<Document>
}

export type Sums<Document extends VersionedDocument = VersionedDocument> = {
  /** The id of the document that holds the sums. */
  documentId: string
  /** What a user's document adds to each sum. */
  tally(document: Document): Record<string, number>
}

export type VersionedDocument = { _id: string; version: number }

type Index = {
  name: string
  key: Record<string, 1 | -1>
  expireAfterSeconds?: number
  sparse?: boolean
  collation?: { locale: string; strength: number }
}

type ByEventType<Result> = { [Type in UserEventType]: (event: Extract<UserEvent, { type: Type }>) => Result }

/** The document that a projection derives from an event. */
export function project<Document extends VersionedDocument>(
  projection: Projection<Document>,
  event: UserEvent,
): Document {
  // TypeScript does not infer that the entry for an event's type accepts that event.
  const toDocument = projection.on[event.type] as (event: UserEvent) => Document
  return toDocument(event)
}
