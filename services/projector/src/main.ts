import type { AppliedNotice } from '@cqrs/contracts'
import {
  answerHealth,
  answerMetrics,
  createLogger,
  createServer,
  Lease,
  linkNats,
  mongoClient,
  RequiredResources,
  readConfig,
  runService,
} from '@cqrs/service-kit'
import { Config } from './config.ts'
import { ConsumerProgress } from './consuming/consumer-progress.ts'
import { deadLetterErasure } from './consuming/dead-letter-erasure.ts'
import { eraseDeadLetters } from './consuming/dead-letters.ts'
import { measureLag } from './consuming/metrics.ts'
import { type Subscriber, UserConsumer } from './consuming/user-consumer.ts'
import { usersRead } from './projections/users-read.ts'
import { ReadModel } from './read-store/read-model.ts'
import { Rebuilds } from './read-store/rebuild-state.ts'
import { updateReadModel } from './read-store/update-read-model.ts'
import { createBrokerResources, missingInBroker, missingInDatabase } from './resources.ts'
import { readModelsOf } from './upkeep/comparable.ts'
import { Upkeep } from './upkeep/upkeep.ts'
import { Mailer } from './welcome-email/mailer.ts'
import { welcomeEmail } from './welcome-email/welcome-email.ts'
import { WelcomeEmailRecord } from './welcome-email/welcome-email-record.ts'

const config = readConfig(Config)
const logger = createLogger('projector', config.LOG_LEVEL)

await runService(async () => {
  const mongo = mongoClient(config.MONGODB_READ_URI, 'projector')
  const db = mongo.db()
  const nats = linkNats({ url: config.NATS_URL, name: 'projector', logger })
  const collections = new RequiredResources({ missing: () => missingInDatabase(db), logger })
  const streams = new RequiredResources({
    missing: async () => {
      const connection = nats.connection()
      return connection && missingInBroker(connection)
    },
    putBack: async () => {
      const connection = nats.connection()
      if (connection) await createBrokerResources(connection, config.STREAM_REPLICAS)
    },
    logger,
  })
  nats.onConnected(() => streams.look())
  const isSetUp = () => collections.isComplete() && streams.isComplete()
  const notify = (subject: string, notice: AppliedNotice) => {
    nats.connection()?.publish(subject, JSON.stringify(notice))
  }
  const consume = (subscriber: Subscriber) => new UserConsumer({ nats, isSetUp, subscriber, logger })

  const readModels = readModelsOf(db, nats)
  // One read model tells the way of each event in the log; the others would only repeat it.
  const quiet = logger.child({}, { level: 'warn' })
  const projecting = readModels.map(({ projection, readModel }) => {
    const narrator = projection === usersRead ? logger : quiet
    return consume(updateReadModel(projection, { readModel, notify, logger: narrator }))
  })
  const mailer = new Mailer({ url: config.SMTP_URL, from: config.MAIL_FROM })
  const record = new WelcomeEmailRecord(db, new ReadModel(db, usersRead))
  const welcome = consume(welcomeEmail({ mailer, record, logger }))
  const erasure = consume(deadLetterErasure((userId) => eraseDeadLetters(nats, userId)))
  const upkeep = new Upkeep({
    everyMs: config.VERIFY_EVERY_SECONDS * 1_000,
    // A replica that has it keeps it; from one that died it passes on after two rounds.
    lease: new Lease(db, 'upkeep', 2_000 * config.VERIFY_EVERY_SECONDS + 10_000),
    readModels,
    rebuilds: new Rebuilds(db),
    drop: (collection) => db.dropCollection(collection),
    logger,
  })

  const progress = new ConsumerProgress(nats)
  const consumers = [...projecting, welcome, erasure]
  measureLag(
    consumers.map(({ durable }) => durable),
    (durable) => progress.lag(durable),
  )
  const app = createServer(logger)
  answerHealth(app, {
    mongodb: { required: true, isUp: async () => (await db.command({ ping: 1 })).ok === 1 },
    collections: collections.check({ required: true }),
    nats: { required: true, isUp: () => nats.connection() !== undefined },
    streams: streams.check({ required: true }),
    'read model': { required: true, isUp: () => projecting.every((consumer) => consumer.isWell()) },
    mail: { required: false, isUp: () => mailer.isUp() && welcome.isWell() },
  })
  answerMetrics(app, config)
  const draining = {
    close: () => Promise.all([collections, streams, upkeep, ...consumers].map((part) => part.close())),
  }
  return {
    logger,
    async start() {
      for (const part of [mongo, collections, streams, nats]) part.start()
      await app.listen({ host: config.HOST, port: config.PORT })
    },
    async close() {
      for (const part of [app, draining, nats, mailer, mongo]) await part.close()
    },
  }
})
