import { readConfig, runService } from '@cqrs/service-kit'
import { Config } from './config.ts'
import { createQueryApi } from './service.ts'

const config = readConfig(Config)
await runService(() => createQueryApi(config))
