import { Ajv, type ValidateFunction } from 'ajv'
import type { FastifySchemaCompiler } from 'fastify'
import { readInteger } from '../process/read-integer.ts'

type ObjectSchema = { properties?: Record<string, { type?: string }> }

/**
 * How the parts of a request are checked. Nothing is converted and an unknown field is an error, where Fastify's own
 * settings would turn a number into a password and drop what they do not know. Only paths and query strings, which can
 * hold nothing but text, have whole numbers, `true` and `false` read from it.
 */
export const compileValidator: FastifySchemaCompiler<ObjectSchema> = ({ schema, httpPart }) => {
  const validate = ajv.compile(schema)
  return httpPart === 'body' ? validate : readingText(schema, validate)
}

const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: true, strictTypes: false })

function readingText(schema: ObjectSchema, validate: ValidateFunction): ValidateFunction {
  const read = Object.entries(schema.properties ?? {}).flatMap(([name, { type = '' }]) => {
    const reader = readers[type]
    return reader ? [{ name, reader }] : []
  })
  const reading = (text: Record<string, unknown>) => {
    for (const { name, reader } of read) {
      const value = text[name]
      if (typeof value === 'string') text[name] = reader(value)
    }
    const valid = validate(text)
    reading.errors = validate.errors
    return valid
  }
  reading.errors = validate.errors
  return reading as unknown as ValidateFunction
}

const readers: Record<string, (text: string) => unknown> = {
  integer: readInteger,
  boolean: (text) => (text === 'true' ? true : text === 'false' ? false : text),
}
