import { answerHealth, createServer, type HttpServer, type Logger, verifyAccessTokens } from '@cqrs/service-kit'
import type { UserReadRepository } from './adapters/user-read-repository.ts'
import type { Config } from './config.ts'
import { getUser, listUsers, listUsersByRole } from './queries/index.ts'

/**
 * The HTTP side of the service, not yet listening.
 * @throws ConfigError when the file of public keys cannot be used
 */
export function buildApp(
  config: Pick<Config, 'JWKS_FILE' | 'JWT_ISSUER' | 'JWT_AUDIENCE'>,
  { logger, users, isDatabaseUp }: { logger: Logger; users: UserReadRepository; isDatabaseUp: () => Promise<boolean> },
): HttpServer {
  const app = createServer(logger)
  const authenticate = verifyAccessTokens(app, {
    jwksFile: config.JWKS_FILE,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
  })
  answerHealth(app, { mongodb: { required: true, isUp: isDatabaseUp } })

  getUser(app, { users, authenticate })
  listUsers(app, { users, authenticate })
  listUsersByRole(app, { users, authenticate })
  return app
}
