import { Refusal } from '@cqrs/contracts'
import { dictionary } from '@zxcvbn-ts/language-common'

/** Whose password it is to be: what is known of that person is no secret. */
export type Owner = { email: string; name: string }

/**
 * What a new password may not be, beside its length (NIST SP 800-63B, 3.1.1.2): one of the common ones, or one that is
 * mostly made of words that anybody would try for this user or this service. Nothing else is asked of it.
 * @returns throws the Refusal `password-too-common`
 */
export function passwordPolicy(serviceName: string): (password: string, owner: Owner) => void {
  return (password, { email, name }) => {
    const lower = password.toLowerCase()
    if (common.has(lower)) throw new Refusal('password-too-common', { detail: 'It is on a list of common passwords.' })
    const rest = wordsOf(`${email} ${name} ${serviceName}`).reduce((left, word) => left.replaceAll(word, ''), lower)
    if ([...rest].length < minimalLength && rest !== lower)
      throw new Refusal('password-too-common', { detail: 'It is mostly the address, the name or the service.' })
  }
}

/** The longest first, so that a word which is a part of another one leaves nothing of that. */
const wordsOf = (text: string): string[] =>
  (text.toLowerCase().match(/[\p{L}\p{N}]{4,}/gu) ?? []).sort((one, other) => other.length - one.length)

const minimalLength = 8

const common = new Set(dictionary['passwords-common'].filter((password) => password.length >= minimalLength))
