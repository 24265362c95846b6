import { readModelsCollection } from '@cqrs/contracts'
import {
  answerMetrics,
  createLogger,
  type HttpServer,
  type Logger,
  linkNats,
  mongoClient,
  type NatsLink,
  type Service,
} from '@cqrs/service-kit'
import { buildApp } from './app.ts'
import { measureCache, UserCache } from './by-id/user-cache.ts'
import { UserLookUp } from './by-id/user-look-up.ts'
import type { Config } from './config.ts'
import { AppliedNotices } from './freshness/applied-notices.ts'
import { FreshReads } from './freshness/fresh-reads.ts'
import { ReadDatabase } from './read-store/read-database.ts'
import { requiredCollections } from './read-store/required-collections.ts'
import { UserDirectoryRepository } from './read-store/user-directory-repository.ts'
import { UserReadRepository } from './read-store/user-read-repository.ts'
import { UserSearchRepository } from './read-store/user-search-repository.ts'
import { RevocationList } from './revocation-list.ts'

/** The service and the parts that tests look at. */
export type QueryApi = Service & {
  app: HttpServer
  nats: NatsLink
  users: UserReadRepository
  cache: UserCache
  notices: AppliedNotices
}

/**
 * Creates query-api and wires its parts. It connects to nothing and runs no loop before `start`.
 * @throws ConfigError when the URI of the database or the file of public keys is invalid
 */
export async function createQueryApi(
  config: Config,
  { logger = createLogger('query-api', config.LOG_LEVEL) }: { logger?: Logger } = {},
): Promise<QueryApi> {
  const mongo = mongoClient(config.MONGODB_READ_URI, 'query-api', logger)
  const nats = linkNats({ settings: config, name: 'query-api', logger })
  const isNatsUp = () => nats.problems().length === 0
  const database = new ReadDatabase(mongo.db(), config.READ_PREFERENCE)
  const required = requiredCollections(mongo.db(), database, logger)
  const users = new UserReadRepository(database, { logger })
  const search = new UserSearchRepository({ logger })
  const directory = new UserDirectoryRepository({ logger })

  const cache = new UserCache({ lifetimeMs: config.CACHE_TTL_MS, maxBytes: config.CACHE_MAX_MIB * 1024 * 1024 })
  const redis = await redisCache(config, logger)
  const lookUp = new UserLookUp({ database, users, cache, redis })
  const revocations = new RevocationList({ users, isNatsUp, logger })
  const notices = new AppliedNotices((id, version, tokensFromVersion) => {
    lookUp.outdate(id, version)
    if (tokensFromVersion) revocations.hear(id, tokensFromVersion)
  })
  notices.listen(nats)
  const fresh = new FreshReads({ database, notices, waitMs: config.READ_YOUR_WRITES_TIMEOUT_MS })
  nats.onConnected(async (connection) => {
    // From here on notices arrive. Whatever was missed before is in the database.
    await connection.flush()
    lookUp.outdateAll()
    revocations.reload()
  })

  // A ping needs no rights.
  const ask = () => mongo.db().collection(readModelsCollection).findOne()
  const app = buildApp(config, {
    logger,
    lookUp,
    fresh,
    database,
    users,
    search,
    directory,
    redis,
    revocations,
    required,
    mongodb: { required: true, isUp: () => mongo.answers(ask()), reasons: () => mongo.reasons },
    nats,
  })
  answerMetrics(app, config)
  const measured = measureCache(cache)

  return {
    app,
    logger,
    nats,
    users,
    cache,
    notices,
    async start() {
      mongo.start()
      await mongo.firstConnection()
      for (const part of [required, lookUp, revocations, nats, measured]) part.start()
      await app.listen({ host: config.HOST, port: config.PORT })
    },
    async close() {
      for (const part of [app, measured, required, nats, revocations, lookUp, mongo]) await part.close()
    },
  }
}

/** Imported on demand: Redis's client takes 10 MiB of memory. */
async function redisCache({ REDIS_URL: url, CACHE_TTL_MS: lifetimeMs }: Config, logger: Logger) {
  if (!url || lifetimeMs === 0) return undefined
  const { RedisCache } = await import('./by-id/redis-cache.ts')
  return new RedisCache({ url, lifetimeMs, logger })
}
