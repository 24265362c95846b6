import type { Collection, Document, IndexDescription } from 'mongodb'

/** Creates a collection's indexes, once a process and before it is first used; again where that failed. */
export function indexed<Schema extends Document>(collection: Collection<Schema>, indexes: readonly IndexDescription[]) {
  let created: Promise<unknown> | undefined
  return async (): Promise<void> => {
    created ??= collection.createIndexes(indexes.map((index) => ({ ...index })))
    try {
      await created
    } catch (error) {
      created = undefined
      throw error
    }
  }
}
