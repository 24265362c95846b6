import {
  answerHealth,
  type Check,
  createServer,
  type HttpServer,
  type Logger,
  type NatsLink,
  type RequiredResources,
  verifyAccessTokens,
} from '@cqrs/service-kit'
import type { RedisCache } from './by-id/redis-cache.ts'
import type { Config } from './config.ts'
import { type Dependencies, getUser, getUserStats, listDirectory, listUsers, listUsersByRole } from './queries/index.ts'
import { mayList } from './queries/may-list.ts'
import type { RevocationList } from './revocation-list.ts'

/**
 * The HTTP server with every route of the service, not yet listening.
 * @throws ConfigError when the file of public keys is missing or invalid
 */
export function buildApp(
  config: Config,
  {
    logger,
    redis,
    revocations,
    required,
    mongodb,
    nats,
    ...dependencies
  }: Omit<Dependencies, 'authenticate' | 'mayList' | 'onlyAdmins'> & {
    logger: Logger
    /** Undefined if the cache has no second level. */
    redis: RedisCache | undefined
    revocations: RevocationList
    required: RequiredResources
    mongodb: Check
    nats: NatsLink
  },
): HttpServer {
  const app = createServer(logger, config)
  const authenticate = verifyAccessTokens(app, config, (caller) => revocations.admit(caller))
  const checks: Record<string, Check> = {
    mongodb,
    collections: required.check({ required: true }),
    'revoked tokens': { required: true, isUp: () => revocations.loaded().then(() => true) },
    // Without NATS, a query that waits for a version polls.
    nats: { required: false, reasons: () => nats.problems() },
    ...(redis && { redis: { required: false, isUp: () => redis.isConnected, reasons: () => redis.reasons } }),
  }
  answerHealth(app, checks, nats)

  const onlyAdmins = mayList({ LISTS_FOR: 'admins' })
  const all = { ...dependencies, authenticate, mayList: mayList(config), onlyAdmins }
  getUser(app, all)
  listUsers(app, all)
  listUsersByRole(app, all)
  listDirectory(app, all)
  getUserStats(app, all)
  return app
}
