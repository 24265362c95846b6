import { readConfig, runService } from '@cqrs/service-kit'
import { Config } from './config.ts'
import { createProjector } from './service.ts'

await runService(() => createProjector(readConfig(Config)))
