import { Refusal } from '@cqrs/contracts'

/** The owner of a password: what is known of that person is no secret. */
export type Owner = { email: string; name: string }

/**
 * What a new password may not be, besides its length (NIST SP 800-63B, 3.1.1.2): a common one, or one that consists
 * mostly of the e-mail address, the name or the service's name. There are no other rules.
 * @param common passwords in lower case
 * @returns a function that throws the Refusal `password-too-common`
 */
export function passwordPolicy(
  serviceName: string,
  common: ReadonlySet<string>,
): (password: string, owner: Owner) => void {
  return (password, { email, name }) => {
    const lower = password.toLowerCase()
    if (common.has(lower)) throw new Refusal('password-too-common', { detail: 'It is on a list of common passwords.' })
    const rest = wordsOf(`${email} ${name} ${serviceName}`).reduce((left, word) => left.replaceAll(word, ''), lower)
    if ([...rest].length < minPasswordLength && rest !== lower)
      throw new Refusal('password-too-common', {
        detail: 'It consists mostly of the e-mail address, the name or the name of the service.',
      })
  }
}

/** Longest first: removing `example` first would leave the rest of `example123`. */
const wordsOf = (text: string): string[] =>
  (text.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? []).sort((one, other) => other.length - one.length)

export const minPasswordLength = 8
