import { type CreateCollectionOptions, type Db, type IndexDescription, MongoServerError } from 'mongodb'

/** A collection with its indexes, as `migrate` creates them. */
export type CollectionPlan = { name: string; indexes: readonly Index[]; options?: CreateCollectionOptions }

type Index = Readonly<Omit<IndexDescription, 'name'>> & { readonly name: string }

/**
 * Creates the missing collections and indexes; safe to repeat.
 * @throws MongoServerError if an index of that name exists with another definition: it is never replaced
 */
export async function ensureCollections(db: Db, plans: readonly CollectionPlan[]): Promise<void> {
  for (const { name, indexes, options } of plans) {
    await db.createCollection(name, options).catch(unlessItExists)
    if (indexes.length > 0) await db.collection(name).createIndexes(indexes.map((index) => ({ ...index })))
  }
}

/** Lists what is missing, as `collection users` or `index users.email`; needs only the right to read. */
export async function missingCollections(db: Db, plans: readonly CollectionPlan[]): Promise<string[]> {
  const existing = await db.listCollections({}, { nameOnly: true, authorizedCollections: true }).toArray()
  const names = new Set(existing.map(({ name }) => name))
  const missing = plans.map(async ({ name, indexes }) => {
    if (!names.has(name)) return [`collection ${name}`]
    const there = new Set((await db.collection(name).indexes()).map((index) => index.name))
    return indexes.filter((index) => !there.has(index.name)).map((index) => `index ${name}.${index.name}`)
  })
  return (await Promise.all(missing)).flat()
}

function unlessItExists(error: unknown): void {
  if (!(error instanceof MongoServerError && error.codeName === 'NamespaceExists')) throw error
}
