import { type AnyBulkWriteOperation, type Collection, MongoBulkWriteError } from 'mongodb'
import type { VersionedDocument } from '../projections/projection.ts'

/**
 * Stores each document that is newer than the stored one, as `ReadModel.advance` says.
 *
 * MongoDB inserts documents several times as fast as it upserts them one by one. So documents that are probably new are
 * inserted, and only those that exist are compared. A wrong guess only costs time.
 * @param isNew whether the document probably does not exist
 */
export async function writeNewer(
  collection: Collection<VersionedDocument>,
  documents: readonly VersionedDocument[],
  isNew: (document: VersionedDocument) => boolean,
): Promise<void> {
  const given = await stamped(collection, documents)
  const there = await insert(collection, given.filter(isNew))
  const operations = [...given.filter((document) => !isNew(document)), ...there].map(toOperation)
  if (operations.length > 0) await collection.bulkWrite(operations, { ordered: false })
}

/** @returns the documents that exist already, at any version */
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
 * The update compares the version, not the filter (`version: { $lt: … }`): when two writers insert the same document at
 * once, one gets a duplicate key error, and the server retries that upsert by itself only if the filter is an equality
 * on the unique key alone. Such a filter also needs no query planning, which makes the update half as fast again.
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

/**
 * The documents, and when their revocations of tokens were stored. query-api compares that with the clock of the same
 * database: the clocks of the write side may be wrong by hours.
 */
async function stamped(
  { db }: Collection<VersionedDocument>,
  documents: readonly VersionedDocument[],
): Promise<readonly VersionedDocument[]> {
  if (!documents.some(revokesTokens)) return documents
  const { localTime: revokedAt } = await db.command({ hello: 1 })
  return documents.map((document) => (revokesTokens(document) ? { ...document, revokedAt } : document))
}

type MayRevoke = VersionedDocument & { tokensFromVersion?: number; deletedAt?: Date }

const revokesTokens = ({ deletedAt, tokensFromVersion = 1 }: MayRevoke): boolean =>
  deletedAt !== undefined || tokensFromVersion > 1
