import type { Db, Document } from 'mongodb'

/** Every document of the database, as a backup contains them. */
export async function contentsOf(db: Db): Promise<Map<string, Document[]>> {
  const names = (await db.listCollections().toArray()).map(({ name }) => name)
  return new Map(
    await Promise.all(names.map(async (name) => [name, await db.collection(name).find().toArray()] as const)),
  )
}

/** Makes these collections as they were in the backup. */
export async function restore(db: Db, backup: Map<string, Document[]>): Promise<void> {
  for (const [name, documents] of backup) {
    await db.collection(name).deleteMany()
    if (documents.length > 0) await db.collection(name).insertMany(documents)
  }
}
