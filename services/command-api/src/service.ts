import { deadLetterStream, eventWriters, usersStream } from '@cqrs/contracts'
import {
  acceptsWrites,
  auditLog,
  createLogger,
  type HttpServer,
  Lease,
  type Logger,
  linkNats,
  missingCollections,
  missingStreams,
  mongoClient,
  RequiredResources,
  type Service,
} from '@cqrs/service-kit'
import { buildApp } from './app.ts'
import { createFirstAdmin } from './commands/create-admin.ts'
import type { Config } from './config.ts'
import { counted } from './http/audited.ts'
import { Relay } from './publishing/relay.ts'
import { measureOutbox } from './publishing/relay-metrics.ts'
import { measureStreams } from './publishing/stream-metrics.ts'
import { answerSync } from './publishing/sync-responder.ts'
import * as resources from './resources.ts'
import { accessTokenSigner } from './sign-in/access-token-signer.ts'
import { knownDevices } from './sign-in/known-devices.ts'
import { LoginBackOff } from './sign-in/login-back-off.ts'
import { measureHashing, passwordHasher } from './sign-in/password-hasher.ts'
import { rateLimits } from './sign-in/rate-limits.ts'
import { Sessions } from './sign-in/sessions.ts'
import { Outbox } from './store/outbox.ts'
import { UserRepository } from './store/user-repository.ts'
import { UserSync } from './store/user-sync.ts'
import { firstAdmin } from './store/write-database.ts'

export type CommandApi = Service & { app: HttpServer; relay: Relay }
/** What a test replaces. */
export type Overrides = { logger?: Logger }

/**
 * Wires command-api. It reads the key files, and connects to nothing before `start`.
 * @throws ConfigError, or an error of the file system, if the key files are wrong
 */
export async function createCommandApi(config: Config, overrides: Overrides = {}): Promise<CommandApi> {
  const { logger = createLogger('command-api', config.LOG_LEVEL) } = overrides
  const issued = { jwksFile: config.JWKS_FILE, issuer: config.JWT_ISSUER, logger }
  const tokens = accessTokenSigner({
    ...issued,
    signingKeyFile: config.JWT_SIGNING_KEY_FILE,
    audience: config.JWT_AUDIENCE,
    ttlSeconds: config.ACCESS_TOKEN_TTL_SECONDS,
  })
  const devices = knownDevices(issued)
  const passwords = passwordHasher(config)
  const audit = counted(auditLog(logger))

  const mongo = mongoClient(config.MONGODB_URI, 'command-api', logger)
  const db = mongo.db()
  const collections = new RequiredResources({ missing: () => missingCollections(db, resources.collections), logger })
  const users = new UserRepository(db, eventWriters[config.EVENT_SCHEMA_VERSION], () => collections.confirm())
  const backOff = new LoginBackOff(db)
  const limits = rateLimits(db, {
    register: config.RATE_LIMIT_REGISTER,
    'log-in': config.RATE_LIMIT_LOGIN,
    refresh: config.RATE_LIMIT_REFRESH,
    change: config.RATE_LIMIT_CHANGE,
  })
  const sessions = new Sessions(db, {
    idleSeconds: config.REFRESH_TOKEN_IDLE_SECONDS,
    maxSeconds: config.REFRESH_TOKEN_MAX_SECONDS,
  })

  const nats = linkNats({ settings: config, name: 'command-api', logger })
  const streams = new RequiredResources({
    missing: () => nats.whileUp((connection) => missingStreams(connection, [usersStream, deadLetterStream])),
    drifted: () => nats.whileUp(resources.driftedStreams),
    putBack: () =>
      nats.whileUp((connection) =>
        resources.createStreams(connection, config.STREAM_REPLICAS, config.STREAM_MAX_BYTES),
      ),
    logger,
  })
  const outbox = new Outbox(db)
  const relay = new Relay({
    outbox,
    lease: new Lease(db, 'outbox-sweeper', 5_000),
    nats,
    logger,
    onDeleted: (userId) => sessions.endAllOf(userId),
  })
  answerSync(nats, { sync: new UserSync(db), users, outbox, relay, logger })
  nats.onConnected(async () => {
    await streams.look()
    relay.wake()
  })

  const dependencies = { users, relay, passwords, tokens, sessions, limits, backOff, devices, audit, logger }
  const app = buildApp(config, {
    ...dependencies,
    nats,
    checks: {
      mongodb: acceptsWrites(mongo, () => collections.isComplete()),
      collections: collections.check({ required: true }),
      // Commands work without NATS: their events wait in the outbox.
      nats: { required: false, reasons: () => nats.problems() },
      streams: streams.check({ required: false }),
      configuration: { required: false, reasons: () => streams.drifted() },
      outbox: { required: false, isUp: () => relay.isWell() },
    },
  })
  const measured = [measureOutbox(outbox), measureStreams(nats), measureHashing(passwords)]
  const closing = new AbortController()

  return {
    app,
    logger,
    relay,
    async start() {
      mongo.start()
      await mongo.firstConnection()
      for (const part of [collections, streams, nats, relay, ...measured]) part.start()
      await app.listen({ host: config.HOST, port: config.PORT })
      void createFirstAdmin(config, { ...dependencies, firstAdmin: firstAdmin(db) }, closing.signal)
    },
    async close() {
      closing.abort()
      for (const part of [app, ...measured, collections, streams, relay, nats, mongo]) await part.close()
    },
  }
}
