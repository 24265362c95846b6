import { isIP } from 'node:net'
import Type from 'typebox'

/** A setting of several entries, by commas. @param what each of them has to be, as its problem says it */
const list = (description: string, what: string, isOne: (entry: string) => boolean) =>
  Type.Optional(
    Type.Refine(
      Type.String({ description }),
      (text) => entriesOf(text).every(isOne),
      () => `has an entry that is not ${what}`,
    ),
  )

/** The settings of every HTTP API of ours; a service's Config takes them in. */
export const httpSettings = {
  TRUSTED_PROXIES: list(
    'Addresses and CIDR ranges, by commas, of the proxies whose `X-Forwarded-For` is believed; by default none',
    'an address or a CIDR range',
    (range) => {
      const [address = '', prefix, ...more] = range.split('/')
      const bits = { 4: 32, 6: 128 }[isIP(address)]
      const fits = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (bits ?? 0))
      return bits !== undefined && fits && more.length === 0
    },
  ),
  // An origin of RFC 6454: `*` is none.
  CORS_ORIGINS: list(
    'Origins, by commas, whose pages may use the API from a browser; by default none',
    'an origin such as https://app.example.com',
    (origin) => /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin,
  ),
}
export type HttpSettings = { TRUSTED_PROXIES?: string; CORS_ORIGINS?: string }

/** The entries of a setting that holds several. */
export const entriesOf = (text = ''): string[] => (text ? text.split(',').map((entry) => entry.trim()) : [])
