import { answerMetrics, createLogger, linkNats, mongoClient, readConfig, runService } from '@cqrs/service-kit'
import { buildApp } from './app.ts'
import { UserCache } from './by-id/user-cache.ts'
import { UserLookUp } from './by-id/user-look-up.ts'
import { Config } from './config.ts'
import { AppliedNotices } from './freshness/applied-notices.ts'
import { LiveCollections } from './read-store/live-collections.ts'
import { requiredCollections } from './read-store/required-collections.ts'
import { UserReadRepository } from './read-store/user-read-repository.ts'
import { UserSearchRepository } from './read-store/user-search-repository.ts'
import { UserStatsRepository } from './read-store/user-stats-repository.ts'
import { RevocationList } from './revocation-list.ts'

const config = readConfig(Config)
const logger = createLogger('query-api', config.LOG_LEVEL)

await runService(async () => {
  const client = mongoClient(config.MONGODB_READ_URI, 'query-api')
  const collections = new LiveCollections(client.db(undefined, { readPreference: config.READ_PREFERENCE }))
  const users = new UserReadRepository(collections, { canLag: config.READ_PREFERENCE !== 'primary' })
  const cache = new UserCache({ lifetimeMs: config.CACHE_TTL_MS, maxBytes: config.CACHE_MAX_MIB * 1024 * 1024 })
  // Imported only where it is used: Redis's client takes 10 MiB.
  const shared =
    config.REDIS_URL && config.CACHE_TTL_MS > 0
      ? new (await import('./by-id/redis-cache.ts')).RedisCache({
          url: config.REDIS_URL,
          lifetimeMs: config.CACHE_TTL_MS,
          logger,
        })
      : undefined
  const lookUp = new UserLookUp({ collections, users, cache, shared })
  const readStore = requiredCollections(client.db(), logger)
  const notices = new AppliedNotices(logger, (id, version, tokensFromVersion) => {
    lookUp.outdate(id, version)
    if (tokensFromVersion) revocations.hear(id, tokensFromVersion)
  })
  const nats = linkNats({ url: config.NATS_URL, name: 'query-api', logger })
  const revocations = new RevocationList({ users, isNatsUp: () => nats.connection() !== undefined, logger })
  nats.onConnected(async (connection, { isFirst }) => {
    if (isFirst) notices.listen(connection)
    await connection.flush() // from here on notices arrive, and what was missed is in the database
    lookUp.outdateAll()
    revocations.reload()
  })
  const app = buildApp(config, {
    logger,
    lookUp,
    shared,
    users,
    ordered: new UserSearchRepository(collections),
    stats: new UserStatsRepository(collections, { keepTotalsMs: Math.min(config.CACHE_TTL_MS, 1_000) }),
    notices,
    revocations,
    isDatabaseUp: async () => (await client.db().command({ ping: 1 })).ok === 1,
    isNatsUp: () => nats.connection() !== undefined,
    readStore,
  })
  answerMetrics(app, config)
  return {
    logger,
    async start() {
      client.start()
      await client.firstConnection()
      readStore.start()
      nats.start()
      await app.listen({ host: config.HOST, port: config.PORT })
    },
    async close() {
      for (const part of [app, readStore, nats, revocations, lookUp, client]) await part.close()
    },
  }
})
