import { type AnyBulkWriteOperation, MongoClient } from 'mongodb'
import { answerJob } from '../harness/in-child.ts'

/**
 * Writes the documents of one collection into another, in sequential bulk writes of 500, and does nothing else. The
 * time does not include reading them.
 */
export type BulkWritesJob = {
  uri: string
  from: string
  to: string
  /** `upsert` can be repeated, which event handlers need; `insert` fails for existing documents. */
  how: 'insert' | 'upsert'
}

type Stored = { _id: string }
const batchSize = 500
const heldBatches = 100

const operations: Record<BulkWritesJob['how'], (document: Stored) => AnyBulkWriteOperation<Stored>> = {
  insert: (document) => ({ insertOne: { document } }),
  upsert: (document) => ({
    replaceOne: { filter: { _id: document._id }, replacement: document, upsert: true },
  }),
}

await answerJob<BulkWritesJob>(async ({ uri, from, to, how }) => {
  const client = await new MongoClient(uri, { writeConcern: { w: 'majority', journal: true } }).connect()
  const target = client.db().collection<Stored>(to)
  let documents = 0
  let ms = 0
  const write = async (batches: Stored[][]) => {
    const startedAt = performance.now()
    for (const batch of batches) await target.bulkWrite(batch.map(operations[how]), { ordered: false })
    ms += performance.now() - startedAt
    documents += batches.flat().length
  }

  let held: Stored[] = []
  const writeHeld = () => write(batchesOf(held))
  for await (const document of client.db().collection<Stored>(from).find({}, { batchSize: 5_000 })) {
    held.push(document)
    if (held.length < batchSize * heldBatches) continue
    await writeHeld()
    held = []
  }
  await writeHeld()
  await client.close()
  return { documents, seconds: ms / 1_000 }
})

function batchesOf(documents: Stored[]): Stored[][] {
  return Array.from({ length: Math.ceil(documents.length / batchSize) }, (_, n) =>
    documents.slice(n * batchSize, (n + 1) * batchSize),
  )
}
