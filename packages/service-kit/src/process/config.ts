import Type, { type Static, type TObject, type TSchema } from 'typebox'
import Value from 'typebox/value'
import { readInteger } from './read-integer.ts'

/** An error that an operator has to fix before the process can start. Its message is one line and holds no secret. */
export class ConfigError extends Error {}

/**
 * Reads the settings that the schema declares from environment variables: integers from decimal digits, an empty
 * variable as absent, and defaults where a variable is absent. A password needs TLS; the mailer sees to that of SMTP.
 * @throws ConfigError that names every invalid setting, without its value: some are secrets
 */
export function parseConfig<Schema extends TObject>(schema: Schema, env: NodeJS.ProcessEnv): Static<Schema> {
  const given = Object.entries(schema.properties).flatMap(([name, property]) => {
    const text = env[name]
    return text ? [[name, isInteger(property) ? readInteger(text) : text]] : []
  })
  const config = Value.Default(schema, Object.fromEntries(given))
  const problems = [...Value.Errors(schema, config)].flatMap(describe)
  const urls = Object.keys(schema.properties).filter((name) => /^(?!SMTP_).*_UR[IL]$/.test(name))
  const exposed = env.PLAINTEXT_PASSWORDS === 'allowed' ? [] : urls.filter((name) => exposesPassword(env[name] ?? ''))
  if (exposed.length > 0) problems.push(`${exposed}: a password needs TLS, or PLAINTEXT_PASSWORDS=allowed`)
  if (problems.length > 0) throw new ConfigError(`invalid settings: ${problems.join('; ')}`)
  return config as Static<Schema>
}

/** The same from the environment of this process, which exits with one line and code 1 where a setting is invalid. */
export function readConfig<Schema extends TObject>(schema: Schema): Static<Schema> {
  try {
    return parseConfig(schema, process.env)
  } catch (error) {
    return exitOnOperatorError(error)
  }
}

/** Prints an error that an operator can fix on one line and exits with code 1. @throws any other error again */
export function exitOnOperatorError(error: unknown): never {
  const fromSystem = error instanceof Error && 'syscall' in error
  if (!(error instanceof ConfigError) && !fromSystem) throw error
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}

/** What must hold for several settings together, and the message if it does not. */
export type Rule<Settings> = [holds: (settings: Settings) => boolean, message: string]

/** The schema with these rules, for `parseConfig`. */
export const withRules = <Schema extends TObject>(schema: Schema, rules: Rule<Static<Schema>>[]): Schema =>
  rules.reduce((ruled, [holds, message]) => {
    // The type of Refine hides that it is an object.
    return Type.Refine(ruled, holds as (settings: unknown) => boolean, () => message) as unknown as Schema
  }, schema)

/** The way out of a rule of `parseConfig`: a password crosses a network only under TLS. */
export const tlsSettings = {
  PLAINTEXT_PASSWORDS: Type.Enum(['refused', 'allowed'], {
    default: 'refused',
    description: 'Whether the password of a URL may cross a network without TLS; loopback addresses always may',
  }),
}

/** Whether connecting to the URL would send a password, by default that in the URL, to another machine without TLS. */
export function exposesPassword(url: string, hasPassword = /:\/\/[^/?]*@/.test(url)): boolean {
  const [, scheme = '', hosts = '', options = ''] = /^(.+?):\/\/(?:[^/?]*@)?([^/?]*)[^?]*(.*)/.exec(url) ?? []
  if (!hasPassword || hosts.split(',').every((host) => loopback.test(host))) return false
  // MongoDB's other mechanisms never send the password.
  if (scheme === 'mongodb') return /\bauthMechanism=PLAIN\b/i.test(options) && !/\b(tls|ssl)=true\b/.test(options)
  return !/^(mongodb\+srv|rediss|smtps|tls)$/.test(scheme)
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/

const isInteger = (property: TSchema): boolean => 'type' in property && property.type === 'integer'

function describe(error: { keyword: string; instancePath: string; params: object; message: string }): string[] {
  if (error.keyword === 'required') {
    const { requiredProperties } = error.params as { requiredProperties: string[] }
    return requiredProperties.map((name) => `${name} is not set`)
  }
  return [`${error.instancePath.slice(1)} ${error.message}`.trim()]
}
