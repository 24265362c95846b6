import { isIP } from 'node:net'
import Type from 'typebox'
import { ConfigError } from '../config.ts'

/** The settings of every HTTP API of ours; a service's Config takes them in. */
export const httpSettings = {
  TRUSTED_PROXIES: Type.Optional(
    Type.String({
      description:
        'Addresses and CIDR ranges, by commas, of the proxies whose `X-Forwarded-For` is believed; by default none',
    }),
  ),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      description: 'Origins, by commas, whose pages may use the API from a browser; by default none',
    }),
  ),
}
export type HttpSettings = { TRUSTED_PROXIES?: string; CORS_ORIGINS?: string }

/** @throws ConfigError for what is no address or range */
export function trustedProxies({ TRUSTED_PROXIES }: HttpSettings): string[] {
  return listed('TRUSTED_PROXIES', TRUSTED_PROXIES, 'an address or a CIDR range', (range) => {
    const [address = '', prefix, ...more] = range.split('/')
    const bits = { 4: 32, 6: 128 }[isIP(address)]
    const fits = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (bits ?? 0))
    return bits !== undefined && fits && more.length === 0
  })
}

/** @throws ConfigError for what is no origin (RFC 6454): `*` is none */
export function corsOrigins({ CORS_ORIGINS }: HttpSettings): string[] {
  return listed('CORS_ORIGINS', CORS_ORIGINS, 'an origin such as https://app.example.com', (origin) => {
    return /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin
  })
}

function listed(name: string, text: string | undefined, what: string, isOne: (entry: string) => boolean): string[] {
  const entries = text ? text.split(',').map((entry) => entry.trim()) : []
  if (!entries.every(isOne)) throw new ConfigError(`wrong settings: ${name} has an entry that is not ${what}`)
  return entries
}
