import {
  answerMetrics,
  closeOnSignal,
  createLogger,
  linkNats,
  mongoClient,
  readConfig,
  startOrExit,
} from '@cqrs/service-kit'
import { AppliedNotices } from './adapters/applied-notices.ts'
import { LiveCollections } from './adapters/live-collections.ts'
import { OrderedUsers } from './adapters/ordered-users.ts'
import { readStoreSetup } from './adapters/read-store-setup.ts'
import { RevocationList } from './adapters/revocation-list.ts'
import { UserCache } from './adapters/user-cache.ts'
import { UserLookUp } from './adapters/user-look-up.ts'
import { UserReadRepository } from './adapters/user-read-repository.ts'
import { UserStatsRepository } from './adapters/user-stats-repository.ts'
import { buildApp } from './app.ts'
import { Config } from './config.ts'

const config = readConfig(Config)
const logger = createLogger('query-api', config.LOG_LEVEL)

await startOrExit(async () => {
  const client = mongoClient(config.MONGODB_READ_URI, 'query-api')
  await client.firstConnection()
  const collections = new LiveCollections(client.db(undefined, { readPreference: config.READ_PREFERENCE }))
  const users = new UserReadRepository(collections, { canLag: config.READ_PREFERENCE !== 'primary' })
  const cache = new UserCache({ lifetimeMs: config.CACHE_TTL_MS, maxBytes: config.CACHE_MAX_MIB * 1024 * 1024 })
  // Imported only where it is used: Redis's client takes 10 MiB.
  const shared =
    config.REDIS_URL && config.CACHE_TTL_MS > 0
      ? new (await import('./adapters/shared-users.ts')).SharedUsers({
          url: config.REDIS_URL,
          lifetimeMs: config.CACHE_TTL_MS,
          logger,
        })
      : undefined
  const lookUp = new UserLookUp({ collections, users, cache, shared })
  const readStore = readStoreSetup(client.db(), logger)
  const notices = new AppliedNotices(logger, (id, version, tokensFromVersion) => {
    lookUp.outdate(id, version)
    if (tokensFromVersion) revocations.hear(id, tokensFromVersion)
  })
  const nats = linkNats({
    url: config.NATS_URL,
    name: 'query-api',
    logger,
    onConnected: async (connection, { isFirst }) => {
      if (isFirst) notices.listen(connection)
      await connection.flush() // from here on notices arrive, and what was missed is in the database
      lookUp.outdateAll()
      revocations.reload()
    },
  })
  const revocations = new RevocationList({ users, isNatsUp: () => nats.connection() !== undefined, logger })
  const app = buildApp(config, {
    logger,
    lookUp,
    shared,
    users,
    ordered: new OrderedUsers(collections),
    stats: new UserStatsRepository(collections, { keepTotalsMs: Math.min(config.CACHE_TTL_MS, 1_000) }),
    notices,
    revocations,
    isDatabaseUp: async () => (await client.db().command({ ping: 1 })).ok === 1,
    isNatsUp: () => nats.connection() !== undefined,
    readStore,
  })
  answerMetrics(app, config)
  await app.listen({ host: config.HOST, port: config.PORT })
  closeOnSignal(logger, [app, readStore, nats, revocations, lookUp, client])
})
