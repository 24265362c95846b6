import type { Authenticate } from '@cqrs/service-kit'
import type { UserLookUp } from '../by-id/user-look-up.ts'
import type { AppliedNotices } from '../freshness/applied-notices.ts'
import type { UserReadRepository } from '../read-store/user-read-repository.ts'
import type { UserSearchRepository } from '../read-store/user-search-repository.ts'
import type { UserStatsRepository } from '../read-store/user-stats-repository.ts'
import type { MayList } from './may-list.ts'
import type { Listing } from './pages.ts'

/** What queries depend on; each takes what it needs. */
export type Dependencies = {
  authenticate: Authenticate
  lookUp: UserLookUp
  notices: AppliedNotices
  /** Maximum time that a query with `X-Min-Version` waits for that version. */
  waitMs: number
  users: UserReadRepository
  search: UserSearchRepository
  stats: UserStatsRepository
  listing: Listing
  /** The `preHandler` hook of lists. */
  mayList: MayList
}
