import { subjectOf } from '@cqrs/contracts'
import {
  acceptsWrites,
  answerHealth,
  answerMetrics,
  type Check,
  createLogger,
  createServer,
  exposesPassword,
  type HttpServer,
  Lease,
  type Logger,
  linkNats,
  mongoClient,
  RequiredResources,
  type Service,
} from '@cqrs/service-kit'
import type { Config } from './config.ts'
import { addDeadLetter } from './consuming/dead-letters.ts'
import { type Subscriber, UserConsumer } from './consuming/user-consumer.ts'
import { projections } from './projections/index.ts'
import { usersRead } from './projections/users-read.ts'
import { FollowedDatabase } from './read-store/followed-database.ts'
import { ReadModel } from './read-store/read-model.ts'
import { measureShapes, Shapes } from './read-store/shapes.ts'
import { updateReadModel } from './read-store/update-read-model.ts'
import { createConsumers, driftedInBroker, missingInBroker, missingInDatabase } from './resources.ts'
import { comparisonOf } from './upkeep/comparison.ts'
import { Upkeep } from './upkeep/upkeep.ts'
import { WriteSide } from './upkeep/write-side.ts'
import { Mailer } from './welcome-email/mailer.ts'
import { WaitingMails } from './welcome-email/waiting-mails.ts'
import { registrations, welcomeEmail } from './welcome-email/welcome-email.ts'
import { WelcomeEmailRecord } from './welcome-email/welcome-email-record.ts'

export type Projector = Service & { app: HttpServer }

/** What a test replaces. */
export type Overrides = { logger?: Logger }

/** Builds and connects the parts of the projector. Nothing connects, reads or listens before `start`. */
export async function createProjector(config: Config, overrides: Overrides = {}): Promise<Projector> {
  const logger = overrides.logger ?? createLogger('projector', config.LOG_LEVEL)
  const mongo = mongoClient(config.MONGODB_READ_URI, 'projector', logger)
  const db = mongo.db()
  const nats = linkNats({ settings: config, name: 'projector', logger })
  const collections = new RequiredResources({ missing: () => missingInDatabase(db), logger })
  const streams = new RequiredResources({
    missing: () => nats.whileUp(missingInBroker),
    drifted: () => nats.whileUp((connection) => driftedInBroker(connection, db)),
    putBack: () => nats.whileUp((connection) => createConsumers(connection, db)),
    logger,
  })
  nats.onConnected(() => streams.look())

  const isSetUp = () => collections.isComplete() && streams.isComplete()
  const consume = (subscriber: Subscriber) => new UserConsumer({ nats, isSetUp, subscriber, logger })
  const readModels = projections.map((projection) => new ReadModel(db, projection))
  const projecting = readModels.map((readModel) =>
    consume(
      updateReadModel(readModel, {
        notify: (subject, notice) => nats.connection()?.publish(subject, JSON.stringify(notice)),
        logger,
        logsArrivals: readModel.projection === usersRead,
      }),
    ),
  )
  const requireTls = config.PLAINTEXT_PASSWORDS !== 'allowed' && exposesPassword(config.SMTP_URL)
  const mailer = new Mailer({ url: config.SMTP_URL, requireTls, from: config.MAIL_FROM, logger })
  const record = new WelcomeEmailRecord(db, new ReadModel(db, usersRead))
  const welcomes = welcomeEmail({
    mailer,
    record,
    setAside: (event, failure) =>
      addDeadLetter(
        nats,
        { consumer: registrations.durable, subject: subjectOf(event), data: Buffer.from(JSON.stringify(event)) },
        failure,
      ),
    logger,
  })
  const welcome = consume(welcomes)
  const waitingMails = new WaitingMails({ sendDue: welcomes.sendDue, record, logger })
  const consumers = [...projecting, welcome]
  const shapes = new Shapes(db)
  const writeSide = new WriteSide(nats, new FollowedDatabase(db))
  const upkeep = new Upkeep({
    everyMs: config.VERIFY_EVERY_SECONDS * 1_000,
    // The replica that holds the lease renews it; after a crash, another takes over within two rounds.
    lease: new Lease(db, 'upkeep', 2_000 * config.VERIFY_EVERY_SECONDS + 10_000),
    comparisons: readModels.map((readModel) => comparisonOf(readModel, writeSide, nats)),
    shapes,
    logger,
  })

  const app = createServer(logger)
  const checks: Record<string, Check> = {
    mongodb: acceptsWrites(mongo, () => collections.isComplete()),
    collections: collections.check({ required: true }),
    nats: { required: true, reasons: () => nats.problems() },
    streams: streams.check({ required: true }),
    configuration: { required: false, reasons: () => streams.drifted() },
    'read model': { required: true, isUp: () => projecting.every((consumer) => consumer.isWell()) },
    'write side': { required: false, isUp: () => upkeep.followsWriteSide() },
    events: { required: false, reasons: () => consumers.flatMap((consumer) => consumer.problems()) },
    mail: { required: false, isUp: () => mailer.isUp(), reasons: () => mailer.reasons },
    'schema version': { required: false, isUp: () => !consumers.some((consumer) => consumer.awaitsNewer()) },
  }
  answerHealth(app, checks, nats)
  answerMetrics(app, config)
  const loops = [...consumers, waitingMails, upkeep, measureShapes(shapes)]

  return {
    app,
    logger,
    async start() {
      for (const part of [mongo, collections, streams, nats, mailer, ...loops]) part.start()
      await app.listen({ host: config.HOST, port: config.PORT })
    },
    async close() {
      await app.close()
      await Promise.all([collections, streams, ...loops].map((part) => part.close()))
      for (const part of [nats, mailer, mongo]) await part.close()
    },
  }
}
