import type { Authenticate } from '@cqrs/service-kit'
import type { UserLookUp } from '../by-id/user-look-up.ts'
import type { FreshReads } from '../freshness/fresh-reads.ts'
import type { ReadDatabase } from '../read-store/read-database.ts'
import type { UserDirectoryRepository } from '../read-store/user-directory-repository.ts'
import type { UserReadRepository } from '../read-store/user-read-repository.ts'
import type { UserSearchRepository } from '../read-store/user-search-repository.ts'
import type { MayList } from './may-list.ts'

/** What queries depend on; each takes what it needs. */
export type Dependencies = {
  authenticate: Authenticate
  lookUp: UserLookUp
  fresh: FreshReads
  database: ReadDatabase
  users: UserReadRepository
  search: UserSearchRepository
  directory: UserDirectoryRepository
  /** The `preHandler` hook of lists. */
  mayList: MayList
  /** The same of the directory. */
  onlyAdmins: MayList
}
