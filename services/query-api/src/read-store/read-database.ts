import { consistencyToken, type ReadModelName, Refusal, readModelsCollection } from '@cqrs/contracts'
import { isRefused, isStorageUnavailable } from '@cqrs/service-kit'
import {
  type CollationOptions,
  type Collection,
  type CollectionInfo,
  type Db,
  type Document,
  MongoServerError,
  MongoServerSelectionError,
  type Sort,
  Timestamp,
} from 'mongodb'
import { type Known, LiveShapes } from './live-shapes.ts'

/** What a client has seen: the latest time by read database. */
export type SeenTimes = ReadonlyMap<string, bigint>

/** Reads the read database at single moments, so that what is read together fits together. */
export class ReadDatabase {
  readonly #db: Db
  /** Whether a member that lags behind the primary may answer queries. */
  readonly canLag: boolean
  readonly #readPreference: 'primary' | 'secondaryPreferred'
  /** As they were seen last. */
  readonly #lastSeen = new LiveShapes()
  #identity: { name: string; askedAt: number } | undefined
  #asking: Promise<string> | undefined

  constructor(db: Db, readPreference: 'primary' | 'secondaryPreferred' = 'primary') {
    this.#db = db
    this.#readPreference = readPreference
    this.canLag = readPreference !== 'primary'
  }

  /**
   * Reads at the latest moment that a member has, and that is not before what a client has seen. A failure that passes,
   * such as a change of the primary, is tried once more.
   * @param options.upToDate reads the primary if there is one, instead of a member that may lag
   * @throws Refusal `read-model-behind` if no member reaches that time soon, `validation-failed` if it never was; else
   * the driver's error
   */
  async at<Result>(
    { seen, upToDate = false }: { seen?: SeenTimes | undefined; upToDate?: boolean },
    read: (moment: Moment) => Promise<Result>,
  ): Promise<Result> {
    const database = await this.identity()
    const after = seen?.get(database) ?? 0n
    const once = (isFirst: boolean) => {
      const mayLag = this.canLag && isFirst && !upToDate
      const readPreference = this.canLag && !mayLag ? 'primaryPreferred' : this.#readPreference
      const withinMs = mayLag ? catchUpMs : answerMs
      return read(new Moment(this.#db, { database, after, readPreference, withinMs }, this.#lastSeen))
    }
    try {
      return await once(true)
    } catch (error) {
      if (!isPassing(error)) throw error
      if (isInvalid(error)) await this.#refuseFuture(after)
    }
    return await once(false).catch((error) => {
      if (after > 0n && codeOf(error) === codes.maxTimeExpired) throw new Refusal('read-model-behind')
      throw error
    })
  }

  /**
   * What tells this database from another one, such as its successor from a backup: the UUID of a collection, which is
   * new where the collection is created again. At most some seconds old.
   */
  async identity(): Promise<string> {
    const known = this.#identity
    if (known && performance.now() - known.askedAt <= identityMs) return known.name
    const asking = this.#ask()
    if (!known) return await asking
    asking.catch(() => {})
    return known.name
  }

  /** The same without waiting, undefined until it is known. */
  get knownIdentity(): string | undefined {
    return this.#identity?.name
  }

  /** The latest time of this database that a client has seen; undefined if that cannot be told without waiting. */
  latestOf(seen: SeenTimes): bigint | undefined {
    const database = this.knownIdentity
    return database === undefined ? undefined : (seen.get(database) ?? 0n)
  }

  /** The live collection of a read model, for what needs no moment. Reads the primary if there is one. */
  async live<Schema extends Document>(readModel: ReadModelName): Promise<Collection<Schema>> {
    const live = new LiveShapes()
    const states = this.#db.collection<Known>(readModelsCollection)
    const options = { projection: namesOfLive, readPreference: 'primaryPreferred' } as const
    for await (const state of states.find({}, options)) live.learn(state)
    return this.#db.collection(live.collectionOf(readModel))
  }

  /** A time that no member can have: the primary's is the latest. Asking makes this driver tell it to the others. */
  async #refuseFuture(after: bigint): Promise<void> {
    const { $clusterTime } = await this.#db.command({ hello: 1 }, { readPreference: 'primary' })
    if ($clusterTime && after <= $clusterTime.clusterTime.toBigInt()) return
    throw new Refusal('validation-failed', {
      errors: [{ pointer: '#/headers/consistency-token', detail: 'names a time that never was' }],
    })
  }

  #ask(): Promise<string> {
    this.#asking ??= this.#readIdentity().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #readIdentity(): Promise<string> {
    const askedAt = performance.now()
    const options = { readPreference: 'primaryPreferred' } as const
    const [found] = await this.#db.listCollections<CollectionInfo>({ name: readModelsCollection }, options).toArray()
    const name = String(found?.info?.uuid ?? '')
    this.#identity = { name, askedAt }
    return name
  }
}

/** One moment of the read database, chosen by its first read, and the collections that were live at it. */
export class Moment {
  readonly #db: Db
  readonly #options: MomentOptions
  readonly #lastSeen: LiveShapes
  readonly #live = new LiveShapes()
  #opening: Promise<unknown> | undefined
  #time: Timestamp | undefined
  #token: string | undefined

  /** @param lastSeen the live shapes that were seen last, which this moment updates */
  constructor(db: Db, options: MomentOptions, lastSeen: LiveShapes) {
    this.#db = db
    this.#options = options
    this.#lastSeen = lastSeen
  }

  /** MongoDB's cluster time. */
  get time(): bigint {
    if (!this.#time) throw new Error('nothing was read at this moment yet')
    return this.#time.toBigInt()
  }

  /** What is live, and has to have the users of a token. */
  async live(): Promise<LiveShapes> {
    this.#opening ??= this.#open([])
    await this.#opening
    return this.#live
  }

  /** At most `limit` documents of a read model. @param filter can depend on the shape that is read */
  async find<Found extends Document, Shape extends number = number>(
    readModel: ReadModelName,
    filter: Document | ((shape: Shape) => Document),
    page: Page,
  ): Promise<Found[]> {
    const filterIn = (live: LiveShapes) =>
      typeof filter === 'function' ? filter(live.shapeOf(readModel) as Shape) : filter
    if (!this.#opening) {
      const assumed = this.#lastSeen.collectionOf(readModel)
      const pipeline = stagesOf(filterIn(this.#lastSeen), page)
      const opening = this.#open<Found>([{ $unionWith: { coll: assumed, pipeline } }], page)
      this.#opening = opening
      const found = await opening
      if (this.#live.collectionOf(readModel) === assumed) return found
    }
    const live = await this.live()
    return await this.findIn(live.collectionOf(readModel), filterIn(live), page)
  }

  /** The same in a collection that is known to be live. */
  async findIn<Found extends Document>(collection: string, filter: Document, page: Page): Promise<Found[]> {
    await this.live()
    const readConcern = { level: 'snapshot', atClusterTime: this.#time }
    const command = { find: collection, filter, ...page, batchSize: page.limit, singleBatch: true }
    return (await this.#run({ ...command, readConcern })).firstBatch
  }

  /** The token of an answer. @param users those whose version a read model did not have yet */
  token(users: [string, number][] = []): string {
    const of = () => consistencyToken({ users, database: this.#options.database, time: String(this.time) })
    if (users.length > 0) return of()
    this.#token ??= of()
    return this.#token
  }

  /**
   * Reads the names of the live collections, and in the same command what the stages add. A query that needs no more
   * takes one round trip.
   */
  async #open<Found extends Document>(more: Document[], page?: Page): Promise<Found[]> {
    const { after, withinMs } = this.#options
    const cursor = await this.#run({
      aggregate: readModelsCollection,
      pipeline: [{ $project: namesOfLive }, ...more],
      cursor: { batchSize: (page?.limit ?? 0) + maxReadModels },
      ...(page?.collation && { collation: page.collation }),
      readConcern: { level: 'snapshot', ...(after > 0n && { afterClusterTime: new Timestamp(after) }) },
      // A member that lags waits until it has that time.
      ...(after > 0n && { maxTimeMS: withinMs }),
    })
    this.#time = cursor.atClusterTime
    const isState = (one: Document): boolean => 'readModel' in one
    for (const state of cursor.firstBatch.filter(isState)) {
      this.#live.learn(state)
      this.#lastSeen.learn(state)
    }
    return cursor.firstBatch.filter((one: Document) => !isState(one))
  }

  async #run(command: Document): Promise<Document> {
    const { readPreference } = this.#options
    const { cursor, operationTime } = await this.#db.command(command, { readPreference })
    // A collection that does not exist has no time.
    return { ...cursor, atClusterTime: cursor.atClusterTime ?? operationTime }
  }
}

const namesOfLive = { _id: 0, readModel: '$_id', shape: 1, live: 1, isDropped: { $eq: ['$written', []] } } as const

type MomentOptions = {
  database: string
  /** Its cluster time is this one or a later one. */
  after: bigint
  readPreference: 'primary' | 'primaryPreferred' | 'secondaryPreferred'
  /** The longest time for the first read, if it may have to wait for `after`. */
  withinMs: number
}

type Page = { limit: number; skip?: number; sort?: Sort; projection?: Document; collation?: CollationOptions }

/** A query as stages of an aggregation. */
const stagesOf = (filter: Document, { sort, skip, limit, projection }: Page): Document[] => [
  { $match: filter },
  ...(sort ? [{ $sort: sort }] : []),
  ...(skip ? [{ $skip: skip }] : []),
  { $limit: limit },
  ...(projection && Object.keys(projection).length > 0 ? [{ $project: projection }] : []),
]

/** More than there will ever be: a batch that ends early would hide what follows. */
const maxReadModels = 100

const codeOf = (error: unknown): unknown => (error instanceof MongoServerError ? error.code : undefined)

/** By name in MongoDB's `error_codes.yml`. */
const codes = { maxTimeExpired: 50, invalidOptions: 72, snapshotTooOld: 239, snapshotUnavailable: 246 }

/** A member refuses a time of which it has not heard yet. */
const isInvalid = (error: unknown): boolean => codeOf(error) === codes.invalidOptions

/** An error that another attempt may not meet; where no server was found, one has been waited for. */
const isPassing = (error: unknown): boolean =>
  isInvalid(error) ||
  codeOf(error) === codes.snapshotTooOld ||
  codeOf(error) === codes.snapshotUnavailable ||
  (isStorageUnavailable(error) && !isRefused(error) && !(error instanceof MongoServerSelectionError))

const identityMs = 5_000

/** For a member that lags; the primary is asked after that. */
const catchUpMs = 500

/** For one that does not, where only the read itself takes time: below the timeout of requests. */
const answerMs = 5_000
