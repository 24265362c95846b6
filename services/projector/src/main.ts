import { readConfig, runService, startTracing } from '@cqrs/service-kit'
import { Config } from './config.ts'
import { createProjector } from './service.ts'

const config = readConfig(Config)
await startTracing('projector', config)
await runService(() => createProjector(config))
