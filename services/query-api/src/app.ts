import {
  answerHealth,
  createServer,
  type HttpServer,
  type Logger,
  type RequiredResources,
  verifyAccessTokens,
} from '@cqrs/service-kit'
import { inTurn } from './batches.ts'
import type { RedisCache } from './by-id/redis-cache.ts'
import type { UserLookUp } from './by-id/user-look-up.ts'
import type { Config } from './config.ts'
import type { AppliedNotices } from './freshness/applied-notices.ts'
import { getUser, getUserStats, listUsers, listUsersByRole } from './queries/index.ts'
import type { UserReadRepository } from './read-store/user-read-repository.ts'
import type { UserSearchRepository } from './read-store/user-search-repository.ts'
import type { UserStatsRepository } from './read-store/user-stats-repository.ts'
import type { RevocationList } from './revocation-list.ts'

type Parts = {
  logger: Logger
  lookUp: UserLookUp
  /** Where the cache has a second level. */
  shared: Pick<RedisCache, 'isConnected'> | undefined
  users: UserReadRepository
  ordered: UserSearchRepository
  stats: UserStatsRepository
  notices: AppliedNotices
  revocations: RevocationList
  isDatabaseUp: () => Promise<boolean>
  isNatsUp: () => boolean
  readStore: RequiredResources
}

/**
 * The HTTP side of the service, not yet listening.
 * @throws ConfigError when the file of public keys cannot be used
 */
export function buildApp(
  config: Pick<
    Config,
    'JWKS_FILE' | 'JWT_ISSUER' | 'JWT_AUDIENCE' | 'READ_YOUR_WRITES_TIMEOUT_MS' | 'TRUSTED_PROXIES' | 'CORS_ORIGINS'
  >,
  { logger, lookUp, shared, users, ordered, stats, notices, revocations, isDatabaseUp, isNatsUp, readStore }: Parts,
): HttpServer {
  const app = createServer(logger, config)
  const authenticate = verifyAccessTokens(app, {
    jwksFile: config.JWKS_FILE,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    admit: (caller) => revocations.admit(caller),
  })
  answerHealth(app, {
    mongodb: { required: true, isUp: isDatabaseUp },
    collections: readStore.check({ required: true }),
    'revoked tokens': { required: true, isUp: () => revocations.loaded().then(() => true) },
    // Without it, who waits for a version looks again by the clock.
    nats: { required: false, isUp: isNatsUp },
    ...(shared && { redis: { required: false, isUp: () => shared.isConnected } }),
  })

  // What the pool of connections to the database takes beside look-ups, health and versions that are waited for.
  const listing = inTurn<string>({ maxRunning: 32, maxWaiting: 500 })
  getUser(app, { users: lookUp, notices, authenticate, timeoutMs: config.READ_YOUR_WRITES_TIMEOUT_MS })
  listUsers(app, { users, ordered, stats, authenticate, listing })
  listUsersByRole(app, { users, stats, authenticate, listing })
  getUserStats(app, { stats, authenticate })
  return app
}
