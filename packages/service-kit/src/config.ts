import type { Static, TObject } from 'typebox'
import Value from 'typebox/value'

/** Names every wrong setting at once, and no value: some are secrets. */
export class ConfigError extends Error {}

/**
 * Reads settings from environment variables by their one declaration.
 * Strings are converted to the declared type, defaults filled in, and an empty variable counts as absent.
 * @throws ConfigError
 */
export function parseConfig<Schema extends TObject>(schema: Schema, env: NodeJS.ProcessEnv): Static<Schema> {
  const given = Object.keys(schema.properties).filter((name) => env[name])
  const strings = Object.fromEntries(given.map((name) => [name, env[name]]))
  const config = Value.Convert(schema, Value.Default(schema, strings))
  const errors = [...Value.Errors(schema, config)]
  if (errors.length > 0) throw new ConfigError(`wrong settings: ${errors.flatMap(describe).join('; ')}`)
  return config as Static<Schema>
}

/** The same for a process at its start: prints what is wrong on one line and ends with exit code 1. */
export function readConfig<Schema extends TObject>(schema: Schema): Static<Schema> {
  try {
    return parseConfig(schema, process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}

function describe(error: { keyword: string; instancePath: string; params: object; message: string }): string[] {
  if (error.keyword === 'required') {
    const { requiredProperties } = error.params as { requiredProperties: string[] }
    return requiredProperties.map((name) => `${name} is not set`)
  }
  return [`${error.instancePath.slice(1)} ${error.message}`]
}
