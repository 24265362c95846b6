import { type AnyBulkWriteOperation, type Collection, MongoBulkWriteError } from 'mongodb'
import type { VersionedDocument } from '../projections/projection.ts'

/**
 * Replaces each document by the given one if that has a higher version; adds it where there is none. So the order and
 * the number of calls do not matter, nor who else writes at the same time.
 *
 * MongoDB inserts documents several times as fast as it upserts them one by one. So what is new is inserted, and only what
 * turns out to be there is compared. Which is which is a guess, and a wrong one costs time only.
 * @param documents not more than one with the same `_id`
 * @param isNew whether the document is likely not to be there
 * @throws the driver's error; some documents may have been written then, and writing all of them again is right
 */
export async function writeNewer(
  collection: Collection<VersionedDocument>,
  documents: readonly VersionedDocument[],
  isNew: (document: VersionedDocument) => boolean,
): Promise<void> {
  const there = await insert(collection, documents.filter(isNew))
  const operations = [...documents.filter((document) => !isNew(document)), ...there].map(toOperation)
  if (operations.length > 0) await collection.bulkWrite(operations, { ordered: false })
}

/** @returns the documents that were there already, in whatever version */
async function insert(
  collection: Collection<VersionedDocument>,
  documents: readonly VersionedDocument[],
): Promise<VersionedDocument[]> {
  if (documents.length === 0) return []
  try {
    await collection.insertMany(documents, { ordered: false })
    return []
  } catch (error) {
    if (!(error instanceof MongoBulkWriteError) || error.result.getWriteConcernError()) throw error
    const errors = error.result.getWriteErrors()
    if (errors.some(({ code }) => code !== duplicateKey)) throw error
    return errors.map(({ index }) => documents[index] as VersionedDocument)
  }
}

const duplicateKey = 11_000

/**
 * The version is compared in the update and not in the filter (`version: { $lt: … }`): when two writers add the same
 * document at once, one of them meets a duplicate key, and the server itself tries that update again, on the other's
 * document this time, only where the filter is equality on the unique key and nothing else. With such a filter the
 * server also finds the document without planning the query, which makes it half as fast again.
 */
const toOperation = (document: VersionedDocument): AnyBulkWriteOperation<VersionedDocument> => ({
  updateOne: {
    filter: { _id: document._id },
    update: [
      {
        $replaceWith: {
          $cond: [{ $gt: [document.version, { $ifNull: ['$version', 0] }] }, { $literal: document }, '$$ROOT'],
        },
      },
    ],
    upsert: true,
  },
})
