import { nameCollation } from '@cqrs/contracts'
import type { Logger } from '@cqrs/service-kit'
import type { Document, Sort } from 'mongodb'
import type { Moment } from './read-database.ts'
import { type Listed, type Shown, toListed } from './to-read-model.ts'
import { projection } from './user-read-repository.ts'

/** The end of the previous page: the name or e-mail address of its last user, and the id for users with equal names. */
export type Position = { key: string; id: string }

type OrderedPage = {
  limit: number
  isActive?: boolean | undefined
  offset?: number | undefined
  after?: Position | undefined
}

/** Reads `users_read` by name and by e-mail address, in the order of `nameCollation`, with the indexes of contracts. */
export class UserSearchRepository {
  readonly #logger: Logger | undefined

  constructor({ logger }: { logger?: Logger } = {}) {
    this.#logger = logger
  }

  /** Users in order of name, optionally only those whose name has this prefix. */
  async byName(page: OrderedPage & { prefix?: string }, moment: Moment): Promise<Listed[]> {
    return (await this.#page(moment, 'name', page, {})).map((stored) => toListed(stored, this.#logger))
  }

  /** Users whose e-mail address has this prefix, in its order; `byName` says whether the name has it as well. */
  async byEmail(page: OrderedPage & { prefix: string }, moment: Moment): Promise<(Listed & { byName: boolean })[]> {
    const { $gte, $lt } = beginningWith(page.prefix)
    const found = await this.#page(moment, 'email', page, {
      byName: { $and: [{ $gte: ['$name', $gte] }, { $lt: ['$name', $lt] }] },
    })
    return found.map(({ byName, ...stored }) => ({ ...toListed(stored, this.#logger), byName: byName === true }))
  }

  async #page(
    moment: Moment,
    by: 'name' | 'email',
    { limit, isActive, prefix, offset = 0, after }: OrderedPage & { prefix?: string },
    computed: Document,
  ): Promise<Match[]> {
    const options = {
      projection: { ...projection, ...computed },
      collation: nameCollation,
      skip: offset,
      limit,
    } as const
    // Both values instead of no condition: the same index serves, and tombstones, which lack `isActive`, are left out.
    const among = { isActive: isActive ?? { $in: [true, false] } }
    const pages = await Promise.all(
      rangesOf(by, prefix, after).map(({ range, sort }) =>
        moment.find<Match>('users_read', { ...among, ...range }, { ...options, sort }),
      ),
    )
    return pages.flat().slice(0, limit)
  }
}

type Match = Shown & { byName?: boolean }

/**
 * The ranges of the index to read. After a position there are two: users with the same key and a higher id, and users
 * with a later key. A single query would scan every user with the same key.
 */
function rangesOf(by: 'name' | 'email', prefix: string | undefined, after: Position | undefined) {
  const sort: Sort = { [by]: 1, _id: 1 }
  const within = prefix === undefined ? undefined : beginningWith(prefix)
  // Only texts: a position in the order is a text.
  if (!after) return [{ range: { [by]: within ?? { $gte: '' } }, sort }]
  return [
    { range: { [by]: after.key, _id: { $gt: after.id } }, sort: { _id: 1 } as Sort },
    { range: { [by]: { ...within, $gt: after.key } }, sort },
  ]
}

/** U+FFFF sorts after every other character (Unicode Technical Standard 35, part 5, 3.3), so a prefix is a range. */
const beginningWith = (prefix: string) => ({ $gte: prefix, $lt: `${prefix}\uffff` })
