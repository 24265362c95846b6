import type { Projection } from './projection.ts'
import { userStats } from './user-stats.ts'
import { usersRead } from './users-read.ts'

/** Every read model. Each has a consumer of its own, so none waits for another. */
export const projections: readonly Projection[] = [usersRead, userStats]
