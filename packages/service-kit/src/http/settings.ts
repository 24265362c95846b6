import { isIP } from 'node:net'
import Type from 'typebox'

/** A setting with comma-separated entries. @param what each entry must be, for the error message */
const list = (description: string, what: string, isOne: (entry: string) => boolean) =>
  Type.Optional(
    Type.Refine(
      Type.String({ description }),
      (text) => entriesOf(text).every(isOne),
      () => `has an entry that is not ${what}`,
    ),
  )

/** The settings that every HTTP API shares. */
export const httpSettings = {
  TRUSTED_PROXIES: list(
    'Comma-separated addresses and CIDR ranges of proxies whose `X-Forwarded-For` is trusted (default: none)',
    'an address, or a CIDR range of fewer than all addresses',
    (range) => {
      const [address = '', prefix, ...more] = range.split('/')
      const bits = { 4: 32, 6: 128 }[isIP(address)]
      const fits = prefix === undefined || (/^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= (bits ?? 0))
      return bits !== undefined && fits && more.length === 0
    },
  ),
  // Origins as in RFC 6454, without `*`.
  CORS_ORIGINS: list(
    'Comma-separated origins whose pages may call the API from a browser (default: none)',
    'an origin such as https://app.example.com',
    (origin) => /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin,
  ),
}
export type HttpSettings = { TRUSTED_PROXIES?: string; CORS_ORIGINS?: string }

/** The entries of a comma-separated setting. */
export const entriesOf = (text = ''): string[] => (text ? text.split(',').map((entry) => entry.trim()) : [])
