import { readConfig, runService } from '@cqrs/service-kit'
import { Config } from './config.ts'
import { createOperator } from './service.ts'

await runService(() => createOperator(readConfig(Config)))
