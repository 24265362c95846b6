import { readFileSync } from 'node:fs'
import {
  type ConnectionOptions,
  credsAuthenticator,
  type TlsOptions,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node'
import Type, { type Static, type TObject } from 'typebox'
import { ConfigError, exposesPassword, type Rule, tlsSettings } from '../process/config.ts'

const file = (description: string) => Type.Optional(Type.String({ description }))

/** The settings of a process that connects to NATS. `natsRules` has what they must be together. */
export const natsSettings = {
  NATS_URL: Type.Refine(
    Type.String({
      default: 'nats://127.0.0.1:4222',
      description: 'NATS server, or several of one cluster, separated by commas; `tls://` requires TLS',
    }),
    (urls) => urls.split(',').every((url) => server.test(url)) && new Set(urls.match(/\w+(?=:\/\/)/g)).size === 1,
    // Anything else in a URL would be ignored by the client.
    () => 'must be nats://host:port or tls://host:port, or several separated by commas; the user is NATS_USER',
  ),
  NATS_USER: Type.Optional(Type.String({ description: 'User of this process at NATS, with NATS_PASSWORD_FILE' })),
  NATS_PASSWORD_FILE: file('File with the password of NATS_USER; read again for each connection'),
  NATS_CREDS_FILE: file('Credentials file (JWT and seed) instead of NATS_USER; read again for each connection'),
  NATS_CA_FILE: file('PEM file of the CAs that NATS may have its certificate from; default: those of Node'),
  NATS_CERT_FILE: file('PEM file of the client certificate, with NATS_KEY_FILE'),
  NATS_KEY_FILE: file('PEM file of the private key of NATS_CERT_FILE'),
  ...tlsSettings,
}

const server = /^(nats|tls):\/\/([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i

export type NatsSettings = Omit<Static<TObject<typeof natsSettings>>, 'PLAINTEXT_PASSWORDS'> & {
  PLAINTEXT_PASSWORDS?: 'refused' | 'allowed'
}

/** What must hold for several settings together, for `withRules`. */
export const natsRules: Rule<NatsSettings>[] = [
  [
    (s) =>
      s.PLAINTEXT_PASSWORDS === 'allowed' || !s.NATS_URL.split(',').some((url) => exposesPassword(url, !!s.NATS_USER)),
    'the password of NATS_USER needs a NATS_URL with tls://, or PLAINTEXT_PASSWORDS=allowed',
  ],
  [(s) => !s.NATS_USER === !s.NATS_PASSWORD_FILE, 'NATS_USER and NATS_PASSWORD_FILE belong together'],
  [(s) => !(s.NATS_USER && s.NATS_CREDS_FILE), 'NATS_USER and NATS_CREDS_FILE exclude each other'],
  [(s) => !s.NATS_CERT_FILE === !s.NATS_KEY_FILE, 'NATS_CERT_FILE and NATS_KEY_FILE belong together'],
  [
    (s) => s.NATS_URL.startsWith('tls:') || !(s.NATS_CA_FILE || s.NATS_CERT_FILE),
    'NATS_CA_FILE and NATS_CERT_FILE need a NATS_URL with tls://',
  ],
]

/**
 * The options of the client for these settings.
 * @throws ConfigError if a file cannot be read
 */
export function natsConnectionOptions(settings: NatsSettings): ConnectionOptions & { servers: string[] } {
  const { NATS_URL, NATS_USER, NATS_PASSWORD_FILE: password, NATS_CREDS_FILE: creds } = settings
  const files = ['NATS_PASSWORD_FILE', 'NATS_CREDS_FILE', 'NATS_CA_FILE', 'NATS_CERT_FILE', 'NATS_KEY_FILE'] as const
  const unreadable = files.filter((name) => settings[name] && !isReadable(settings[name]))
  if (unreadable.length > 0)
    throw new ConfigError(`cannot read ${unreadable.map((n) => `${n} (${settings[n]})`).join(', ')}`)
  return {
    servers: NATS_URL.split(','),
    ...(NATS_URL.startsWith('tls:') && { tls: tlsOptions(settings) }),
    ...(NATS_USER &&
      password && {
        authenticator: usernamePasswordAuthenticator(NATS_USER, () => readFileSync(password, 'utf8').trim()),
      }),
    ...(creds && { authenticator: credsAuthenticator(() => readFileSync(creds)) }),
  }
}

const tlsOptions = ({ NATS_CA_FILE, NATS_CERT_FILE, NATS_KEY_FILE }: NatsSettings): TlsOptions => ({
  ...(NATS_CA_FILE && { caFile: NATS_CA_FILE }),
  ...(NATS_CERT_FILE && { certFile: NATS_CERT_FILE }),
  ...(NATS_KEY_FILE && { keyFile: NATS_KEY_FILE }),
})

function isReadable(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch {
    return false
  }
}
