import { dictionary } from '@zxcvbn-ts/language-common'
import { minPasswordLength } from '../domain/password-policy.ts'

/** Passwords that are tried first, in lower case, without those that are too short anyway: 17,950 of them. */
export const commonPasswords: ReadonlySet<string> = new Set(
  dictionary['passwords-common'].filter((password) => password.length >= minPasswordLength),
)
