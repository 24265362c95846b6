import { closeOnSignal, createLogger, mongoClient, readConfig, startOrExit } from '@cqrs/service-kit'
import { UserReadRepository } from './adapters/user-read-repository.ts'
import { buildApp } from './app.ts'
import { Config } from './config.ts'

const config = readConfig(Config)
const logger = createLogger('query-api', config.LOG_LEVEL)

await startOrExit(async () => {
  const client = mongoClient(config.MONGODB_READ_URI, 'query-api')
  const app = buildApp(config, {
    logger,
    users: new UserReadRepository(client.db()),
    isDatabaseUp: async () => (await client.db().command({ ping: 1 })).ok === 1,
  })
  await app.listen({ host: config.HOST, port: config.PORT })
  closeOnSignal(logger, [app, client])
})
