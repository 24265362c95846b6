import {
  answerHealth,
  answerMetrics,
  type Check,
  createServer,
  type HttpServer,
  type Logger,
  type NatsLink,
  refusing,
  verifyAccessTokens,
} from '@cqrs/service-kit'
import type { Dependencies } from './commands/dependencies.ts'
import * as commands from './commands/index.ts'
import type { Config } from './config.ts'
import { publicKeys } from './http/public-keys.ts'
import { admit } from './sign-in/admit.ts'

/** The HTTP side of command-api: every command, and nothing else. */
export function buildApp(
  config: Config,
  {
    logger,
    checks,
    nats,
    ...parts
  }: Omit<Dependencies, 'authenticate'> & { logger: Logger; checks: Record<string, Check>; nats: NatsLink },
): HttpServer {
  const app = createServer(logger, config)
  const authenticate = verifyAccessTokens(app, config, (caller) => admit(caller, parts))
  const limitedByCaller = refusing(['rate-limited', ...authenticate.problems], authenticate)
  const dependencies: Dependencies = { ...parts, authenticate: limitedByCaller }
  answerHealth(app, checks, nats)
  answerMetrics(app, config)
  publicKeys(app, { jwksFile: config.JWKS_FILE })

  commands.registerUser(app, dependencies)
  commands.logIn(app, dependencies)
  commands.refreshSession(app, dependencies)
  commands.logOut(app, dependencies)
  commands.logOutEverywhere(app, dependencies)
  commands.updateUser(app, dependencies)
  commands.deleteUser(app, dependencies)
  commands.changePassword(app, dependencies)
  commands.deactivateUser(app, dependencies)
  commands.activateUser(app, dependencies)
  return app
}
