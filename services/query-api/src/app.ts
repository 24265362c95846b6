import {
  answerHealth,
  createServer,
  type HttpServer,
  type Logger,
  type RequiredResources,
  verifyAccessTokens,
} from '@cqrs/service-kit'
import type { RedisCache } from './by-id/redis-cache.ts'
import type { Config } from './config.ts'
import { type Dependencies, getUser, getUserStats, listUsers, listUsersByRole } from './queries/index.ts'
import { inTurn } from './read-store/batches.ts'
import type { RevocationList } from './revocation-list.ts'

/**
 * The HTTP side of the service, not yet listening.
 * @throws ConfigError when the file of public keys cannot be used
 */
export function buildApp(
  config: Config,
  {
    logger,
    redis,
    revocations,
    required,
    isDatabaseUp,
    isNatsUp,
    ...dependencies
  }: Omit<Dependencies, 'authenticate' | 'listing' | 'waitMs'> & {
    logger: Logger
    /** Where the cache has a second level. */
    redis: RedisCache | undefined
    revocations: RevocationList
    required: RequiredResources
    isDatabaseUp: () => Promise<boolean>
    isNatsUp: () => boolean
  },
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
    collections: required.check({ required: true }),
    'revoked tokens': { required: true, isUp: () => revocations.loaded().then(() => true) },
    // Without it, who waits for a version looks again by the clock.
    nats: { required: false, isUp: isNatsUp },
    ...(redis && { redis: { required: false, isUp: () => redis.isConnected } }),
  })

  // What the pool of connections to the database takes beside look-ups, health and versions that are waited for.
  const listing = inTurn<string>({ maxRunning: 32, maxWaiting: 500 })
  const given = { ...dependencies, authenticate, listing, waitMs: config.READ_YOUR_WRITES_TIMEOUT_MS }
  getUser(app, given)
  listUsers(app, given)
  listUsersByRole(app, given)
  getUserStats(app, given)
  return app
}
