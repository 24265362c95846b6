import { type Db, type IndexDescription, MongoServerError } from 'mongodb'

/** A collection and the indexes it must have, as `migrate` makes them. */
export type CollectionPlan = { name: string; indexes: readonly Index[] }

type Index = Readonly<Omit<IndexDescription, 'name'>> & { readonly name: string }

/**
 * Creates what is missing of these collections and of their indexes; safe to repeat.
 * @throws MongoServerError where an index of that name exists with another definition: it is never replaced
 */
export async function ensureCollections(db: Db, plans: readonly CollectionPlan[]): Promise<void> {
  for (const { name, indexes } of plans) {
    await db.createCollection(name).catch(unlessItExists)
    if (indexes.length > 0) await db.collection(name).createIndexes(indexes.map((index) => ({ ...index })))
  }
}

/** What is missing of them, as `collection users` and `index users.email`; the right to read is enough. */
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
