import type { Projection } from './projection.ts'
import { userDirectory } from './user-directory.ts'
import { userStats } from './user-stats.ts'
import { usersRead } from './users-read.ts'

/**
 * Every shape of every read model that this release fills. Each has a consumer of its own, so none waits for another.
 */
export const projections: readonly Projection[] = [usersRead, userStats, userDirectory.v1, userDirectory.v2]
