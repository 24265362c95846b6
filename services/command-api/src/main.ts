import { usersStream } from '@cqrs/contracts'
import {
  auditLog,
  createLogger,
  ensureStream,
  Lease,
  linkNats,
  missingCollections,
  missingStreams,
  mongoClient,
  RequiredResources,
  readConfig,
  runService,
} from '@cqrs/service-kit'
import { buildApp } from './app.ts'
import { createFirstAdmin } from './commands/create-admin.ts'
import { Config } from './config.ts'
import { Relay } from './publishing/relay.ts'
import { measureOutbox } from './publishing/relay-metrics.ts'
import { answerSync } from './publishing/sync-responder.ts'
import * as plan from './resources.ts'
import { accessTokenSigner } from './sign-in/access-token-signer.ts'
import { LoginBackOff } from './sign-in/login-back-off.ts'
import { passwordHasher } from './sign-in/password-hasher.ts'
import { rateLimits } from './sign-in/rate-limits.ts'
import { Sessions } from './sign-in/sessions.ts'
import { Outbox } from './store/outbox.ts'
import { UserRepository } from './store/user-repository.ts'
import { UserSync } from './store/user-sync.ts'

const config = readConfig(Config)
const logger = createLogger('command-api', config.LOG_LEVEL)

await runService(async () => {
  const tokens = accessTokenSigner({
    signingKeyFile: config.JWT_SIGNING_KEY_FILE,
    jwksFile: config.JWKS_FILE,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    ttlSeconds: config.ACCESS_TOKEN_TTL_SECONDS,
    logger,
  })
  const passwords = passwordHasher(config)

  const mongo = mongoClient(config.MONGODB_URI, 'command-api')
  const collections = new RequiredResources({ missing: () => missingCollections(mongo.db(), plan.collections), logger })
  const users = new UserRepository(mongo.db(), () => collections.confirm())
  const nats = linkNats({ url: config.NATS_URL, name: 'command-api', logger })
  const streams = new RequiredResources({
    missing: async () => {
      const connection = nats.connection()
      return connection && missingStreams(connection, [usersStream])
    },
    putBack: async () => {
      const connection = nats.connection()
      if (connection) await ensureStream(connection, usersStream, config.STREAM_REPLICAS)
    },
    logger,
  })
  const audit = auditLog(logger)
  const backOff = new LoginBackOff(mongo.db())
  const limits = rateLimits(mongo.db(), {
    register: config.RATE_LIMIT_REGISTER,
    'log-in': config.RATE_LIMIT_LOGIN,
    refresh: config.RATE_LIMIT_REFRESH,
  })
  const sessions = new Sessions(mongo.db(), {
    idleSeconds: config.REFRESH_TOKEN_IDLE_SECONDS,
    maxSeconds: config.REFRESH_TOKEN_MAX_SECONDS,
  })
  const outbox = new Outbox(mongo.db())
  measureOutbox(outbox)
  const relay = new Relay({
    outbox,
    lease: new Lease(mongo.db(), 'outbox-sweeper', 5_000),
    nats,
    logger,
    onDeleted: (userId) => sessions.endAllOf(userId),
  })
  nats.onConnected(async (connection, { isFirst }) => {
    if (isFirst) answerSync(connection, { sync: new UserSync(mongo.db()), relay, logger })
    await streams.look()
    relay.wake()
  })

  const app = buildApp(config, {
    logger,
    users,
    relay,
    passwords,
    limits,
    backOff,
    audit,
    tokens,
    sessions,
    isMongoUp: async () => Boolean(await mongo.db().command({ ping: 1 })),
    isNatsUp: () => nats.connection() !== undefined,
    collections,
    streams,
  })
  return {
    logger,
    async start() {
      mongo.start()
      await mongo.firstConnection()
      for (const part of [collections, streams, nats]) part.start()
      await app.listen({ host: config.HOST, port: config.PORT })
      void createFirstAdmin(config, { users, passwords, relay, audit, logger }, new AbortController().signal)
    },
    async close() {
      for (const part of [app, collections, streams, relay, nats, mongo]) await part.close()
    },
  }
})
