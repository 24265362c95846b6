import {
  acceptsWrites,
  answerHealth,
  answerMetrics,
  createLogger,
  createServer,
  type HttpServer,
  linkNats,
  mongoClient,
  type Service,
  verifyAccessTokens,
} from '@cqrs/service-kit'
import type { Config } from './config.ts'
import { Live } from './operations/live.ts'
import { admit } from './server/admit.ts'
import { answerConsole } from './server/console.ts'
import { answerOperations } from './server/routes.ts'

/**
 * Wires the operator's HTTP API and console: a process of its own, so that they work while a service does not. It
 * connects to nothing before `start`.
 * @throws ConfigError when the URI of the database or the file of public keys is invalid
 */
export async function createOperator(config: Config): Promise<Service & { app: HttpServer }> {
  const logger = createLogger('operator', config.LOG_LEVEL)
  const mongo = mongoClient(config.MONGODB_READ_URI, 'operator', logger)
  const db = mongo.db()
  const nats = linkNats({ settings: config, name: 'operator', logger })
  const app = createServer(logger)
  const authenticate = verifyAccessTokens(app, config, (caller) => admit(caller, db))
  const live = new Live({ db, nats })
  answerHealth(app, {
    mongodb: acceptsWrites(mongo, () => true),
    nats: { required: false, reasons: () => nats.problems() },
  })
  answerMetrics(app, config)
  answerOperations(app, { db, nats, live, authenticate })
  answerConsole(app, config.API_URL)
  return {
    app,
    logger,
    async start() {
      for (const part of [mongo, nats]) part.start()
      await app.listen({ host: config.HOST, port: config.PORT })
    },
    async close() {
      live.close()
      await app.close()
      for (const part of [nats, mongo]) await part.close()
    },
  }
}
