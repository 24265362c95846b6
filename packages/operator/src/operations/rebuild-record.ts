import { createHash, randomUUID } from 'node:crypto'
import { readModelsCollection } from '@cqrs/contracts'
import { givingUp, type Projection, type Rebuild, type RebuiltState, stopWriting } from '@cqrs/projector'
import { inMs, isOver } from '@cqrs/service-kit'
import type { Collection, Db, Document, UpdateFilter } from 'mongodb'
import { fingerprintOf } from './fingerprint.ts'

/**
 * The document of one shape that says which collection is live, and how far a rebuild by this process is. What
 * changes a rebuild throws when another process has taken it over.
 */
export class RebuildRecord {
  readonly #db: Db
  readonly #states: Collection<RebuiltState>
  readonly #name: string
  readonly #fingerprint: string
  readonly #owner = randomUUID()
  #collection: string | undefined

  constructor(db: Db, projection: Projection) {
    this.#db = db
    this.#states = db.collection(readModelsCollection)
    this.#name = projection.name
    this.#fingerprint = createHash('sha256').update(fingerprintOf(projection)).digest('base64url')
  }

  /**
   * Begins a rebuild, or takes over one whose owner died. One that other code began is given up.
   * @returns undefined while another process is rebuilding
   */
  async claim(newCollection: string): Promise<Rebuild | undefined> {
    const initial = { live: this.#name, written: [this.#name] }
    await this.#states.updateOne({ _id: this.#name }, { $setOnInsert: initial }, { upsert: true })
    const fresh = { collection: newCollection, fingerprint: this.#fingerprint, after: '', filled: 0 }
    const owned = { owner: this.#owner, ownedUntil: inMs(ownedMs) }
    const isOther = { $and: ['$rebuild', { $ne: ['$rebuild.fingerprint', this.#fingerprint] }] }
    const claimed = await this.#states.findOneAndUpdate(
      { _id: this.#name, $expr: isOver('$rebuild.ownedUntil', ownedMs) },
      [...givingUp(isOther), { $set: { rebuild: { $mergeObjects: [fresh, '$rebuild', owned] } } }],
      { returnDocument: 'after' },
    )
    this.#collection = claimed?.rebuild?.collection
    return claimed?.rebuild
  }

  /** Gives up the rebuild, also that of another process. @returns its collection, which is no longer written */
  async abandon(): Promise<string | undefined> {
    const collection = (await this.#states.findOne({ _id: this.#name }))?.rebuild?.collection
    if (!collection || !(await stopWriting(this.#db, this.#name, collection, 'by an operator'))) return undefined
    return collection
  }

  /** Has events applied to the new collection as well, before the live one. */
  async writeAlso(collection: string): Promise<void> {
    await this.#states.updateOne(
      { _id: this.#name, written: { $ne: collection } },
      { $push: { written: { $each: [collection], $position: 0 } } },
    )
  }

  /** Renews the claim. */
  keep(): Promise<void> {
    return this.#update([{ $set: { 'rebuild.ownedUntil': inMs(ownedMs) } }])
  }

  /** Gives up the claim. The progress stays, so that the next rebuild resumes there. */
  leave(): Promise<void> {
    return this.#update({ $set: { 'rebuild.ownedUntil': new Date(0) } })
  }

  /** Stores the progress. */
  progress({ after, filled, total }: Pick<Rebuild, 'after' | 'filled'> & { total: number }): Promise<void> {
    return this.#update({ $set: { 'rebuild.after': after, 'rebuild.filled': filled, 'rebuild.total': total } })
  }

  /** Makes the new collection live, in one write. The old one is still written, for those who still read it. */
  switch(): Promise<void> {
    const retiring = [{ collection: '$live', at: '$$NOW' }]
    const retired = { $concatArrays: [{ $ifNull: ['$retired', []] }, retiring] }
    const filledAt = { $ifNull: ['$filledAt', '$$NOW'] }
    return this.#update([{ $set: { live: '$rebuild.collection', retired, filledAt } }, { $unset: 'rebuild' }])
  }

  async #update(update: UpdateFilter<RebuiltState> | Document[]): Promise<void> {
    const { matchedCount } = await this.#states.updateOne({ _id: this.#name, 'rebuild.owner': this.#owner }, update)
    if (matchedCount > 0) return
    const abandoned = (await this.#states.findOne({ _id: this.#name }))?.abandoned
    if (abandoned && abandoned.collection === this.#collection)
      throw new Error(`the rebuild was abandoned: ${abandoned.reason}`)
    throw new Error('another process has taken over this rebuild')
  }
}

/** 15 s: three times the interval in which a living owner renews its claim. */
const ownedMs = 15_000
