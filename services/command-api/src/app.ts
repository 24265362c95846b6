import {
  type Audit,
  answerHealth,
  answerMetrics,
  createServer,
  type HttpServer,
  type Logger,
  type RequiredResources,
  verifyAccessTokens,
} from '@cqrs/service-kit'
import * as commands from './commands/index.ts'
import type { Config } from './config.ts'
import { publicKeys } from './http/public-keys.ts'
import type { Relay } from './publishing/relay.ts'
import type { AccessTokenSigner } from './sign-in/access-token-signer.ts'
import { admit } from './sign-in/admit.ts'
import type { LoginBackOff } from './sign-in/login-back-off.ts'
import type { PasswordHasher } from './sign-in/password-hasher.ts'
import type { RateLimits } from './sign-in/rate-limits.ts'
import type { Sessions } from './sign-in/sessions.ts'
import type { UserRepository } from './store/user-repository.ts'

type Parts = {
  logger: Logger
  users: UserRepository
  relay: Relay
  passwords: PasswordHasher
  limits: RateLimits
  backOff: LoginBackOff
  audit: Audit
  tokens: AccessTokenSigner
  sessions: Sessions
  isMongoUp: () => Promise<boolean>
  isNatsUp: () => boolean
  collections: RequiredResources
  streams: RequiredResources
}

/** The HTTP side of command-api: every command, and nothing else. */
export function buildApp(config: Config, parts: Parts): HttpServer {
  const app = createServer(parts.logger, config)
  const authenticate = verifyAccessTokens(app, {
    jwksFile: config.JWKS_FILE,
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    admit: (caller) => admit(caller, parts),
  })
  const dependencies = { ...parts, authenticate }
  answerHealth(app, {
    mongodb: { required: true, isUp: parts.isMongoUp },
    collections: parts.collections.check({ required: true }),
    // Commands are taken without it: their events wait in the outbox.
    nats: { required: false, isUp: parts.isNatsUp },
    streams: parts.streams.check({ required: false }),
  })
  answerMetrics(app, config)

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
  publicKeys(app, { jwksFile: config.JWKS_FILE })
  return app
}
