import Type, { type Static, type TObject, type TSchema } from 'typebox'
import Value from 'typebox/value'
import { readInteger } from './read-integer.ts'

/** An error that an operator has to fix before the process can start. Its message is one line and holds no secret. */
export class ConfigError extends Error {}

/**
 * Reads the settings that the schema declares from environment variables: integers from decimal digits, an empty
 * variable as absent, and defaults where a variable is absent.
 * @throws ConfigError that names every invalid setting, without its value: some are secrets
 */
export function parseConfig<Schema extends TObject>(schema: Schema, env: NodeJS.ProcessEnv): Static<Schema> {
  const given = Object.entries(schema.properties).flatMap(([name, property]) => {
    const text = env[name]
    return text ? [[name, isInteger(property) ? readInteger(text) : text]] : []
  })
  const config = Value.Default(schema, Object.fromEntries(given))
  const errors = [...Value.Errors(schema, config)]
  if (errors.length > 0) throw new ConfigError(`invalid settings: ${errors.flatMap(describe).join('; ')}`)
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

const isInteger = (property: TSchema): boolean => 'type' in property && property.type === 'integer'

function describe(error: { keyword: string; instancePath: string; params: object; message: string }): string[] {
  if (error.keyword === 'required') {
    const { requiredProperties } = error.params as { requiredProperties: string[] }
    return requiredProperties.map((name) => `${name} is not set`)
  }
  return [`${error.instancePath.slice(1)} ${error.message}`.trim()]
}
