import { readConfig, runService, startTracing } from '@cqrs/service-kit'
import { Config } from './config.ts'
import { createQueryApi } from './service.ts'

const config = readConfig(Config)
await startTracing('query-api', config)
await runService(() => createQueryApi(config))
