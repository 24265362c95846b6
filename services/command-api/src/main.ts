import { readConfig, runService, startTracing } from '@cqrs/service-kit'
import { Config } from './config.ts'
import { createCommandApi } from './service.ts'

const config = readConfig(Config)
await startTracing('command-api', config)
await runService(() => createCommandApi(config))
