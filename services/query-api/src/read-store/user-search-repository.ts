import { nameCollation, type UserReadModel, usersReadCollection } from '@cqrs/contracts'
import type { Document, Filter, Sort } from 'mongodb'
import type { LiveCollections } from './live-collections.ts'
import { projection, type Shown, toReadModel } from './user-read-repository.ts'

/** Where the page before ended: name or address of its last user, and the id, which tells those apart who share it. */
export type Position = { key: string; id: string }

type OrderedPage = {
  limit: number
  isActive?: boolean | undefined
  offset?: number | undefined
  after?: Position | undefined
}

/** `users_read` in order of name and of e-mail address, as `nameCollation` orders them; served by indexes of contracts. */
export class UserSearchRepository {
  readonly #collections: LiveCollections

  constructor(collections: LiveCollections) {
    this.#collections = collections
  }

  /** Users in order of name: all, or those whose name begins so. */
  async byName(page: OrderedPage & { prefix?: string }): Promise<UserReadModel[]> {
    return (await this.#page('name', page, {})).map(toReadModel)
  }

  /** Users whose address begins so, in its order. Those whose name begins so too are marked. */
  async byEmail(page: OrderedPage & { prefix: string }): Promise<{ user: UserReadModel; byName: boolean }[]> {
    const { $gte, $lt } = beginningWith(page.prefix)
    const found = await this.#page('email', page, {
      byName: { $and: [{ $gte: ['$name', $gte] }, { $lt: ['$name', $lt] }] },
    })
    return found.map(({ byName, ...stored }) => ({ user: toReadModel(stored), byName: byName === true }))
  }

  async #page(
    by: 'name' | 'email',
    { limit, isActive, prefix, offset = 0, after }: OrderedPage & { prefix?: string },
    computed: Document,
  ): Promise<Match[]> {
    const users = await this.#collections.of<Shown>(usersReadCollection)
    const options = {
      projection: { ...projection, ...computed },
      collation: nameCollation,
      skip: offset,
      limit,
    } as const
    // Both values in place of neither: so the one index serves either way, and tombstones, which have none, stay out.
    const among = { isActive: isActive ?? { $in: [true, false] } }
    const pages = await Promise.all(
      rangesOf(by, prefix, after).map(({ range, sort }) =>
        users.find<Match>({ ...among, ...range } as Filter<Shown>, { ...options, sort }).toArray(),
      ),
    )
    return pages.flat().slice(0, limit)
  }
}

/** `byName` is there for those that were looked for by their address. */
type Match = Shown & { byName?: boolean }

/**
 * The part of the index to read. Behind a position these are two: those who share its name and have a higher id, and
 * those with a later name. A single query would pass over everyone who shares it.
 */
function rangesOf(by: 'name' | 'email', prefix: string | undefined, after: Position | undefined) {
  const sort: Sort = { [by]: 1, _id: 1 }
  const within = prefix === undefined ? undefined : beginningWith(prefix)
  if (!after) return [{ range: within ? { [by]: within } : {}, sort }]
  return [
    { range: { [by]: after.key, _id: { $gt: after.id } }, sort: { _id: 1 } as Sort },
    { range: { [by]: { ...within, $gt: after.key } }, sort },
  ]
}

/** U+FFFF sorts behind every other character (Unicode Technical Standard 35, part 5, 3.3), so no pattern is needed. */
const beginningWith = (prefix: string) => ({ $gte: prefix, $lt: `${prefix}\uffff` })
