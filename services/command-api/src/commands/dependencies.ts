import type { Audit, Authenticate } from '@cqrs/service-kit'
import type { Relay } from '../publishing/relay.ts'
import type { AccessTokenSigner } from '../sign-in/access-token-signer.ts'
import type { KnownDevices } from '../sign-in/known-devices.ts'
import type { LoginBackOff } from '../sign-in/login-back-off.ts'
import type { PasswordHasher } from '../sign-in/password-hasher.ts'
import type { RateLimits } from '../sign-in/rate-limits.ts'
import type { Sessions } from '../sign-in/sessions.ts'
import type { UserRepository } from '../store/user-repository.ts'

/** What commands work with; service.ts makes it. */
export type Dependencies = {
  users: UserRepository
  relay: Relay
  passwords: PasswordHasher
  tokens: AccessTokenSigner
  sessions: Sessions
  limits: RateLimits
  backOff: LoginBackOff
  devices: KnownDevices
  audit: Audit
  /** The `onRequest` hook of a route that needs an access token. */
  authenticate: Authenticate
}
