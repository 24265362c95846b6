import { readConfig, runService } from '@cqrs/service-kit'
import { Config } from './config.ts'
import { createCommandApi } from './service.ts'

const config = readConfig(Config)
await runService(() => createCommandApi(config))
