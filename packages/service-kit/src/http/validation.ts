import { Ajv, type ValidateFunction } from 'ajv'
import type { FastifySchemaCompiler } from 'fastify'
import { readInteger } from '../read-integer.ts'

type ObjectSchema = { properties?: Record<string, { type?: string }> }

/**
 * How the parts of a request are checked. Nothing is converted and an unknown field is an error, where Fastify's own
 * settings would turn a number into a password and drop what they do not know. Only paths and query strings, which can
 * hold nothing but text, have whole numbers read from it.
 */
export const compileValidator: FastifySchemaCompiler<ObjectSchema> = ({ schema, httpPart }) => {
  const validate = ajv.compile(schema)
  return httpPart === 'body' ? validate : readingIntegers(schema, validate)
}

const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: true, strictTypes: false })

function readingIntegers(schema: ObjectSchema, validate: ValidateFunction): ValidateFunction {
  const integers = Object.entries(schema.properties ?? {}).filter(([, { type }]) => type === 'integer')
  const reading = (text: Record<string, unknown>) => {
    for (const [name] of integers) {
      const value = text[name]
      if (typeof value === 'string') text[name] = readInteger(value)
    }
    const valid = validate(text)
    reading.errors = validate.errors
    return valid
  }
  reading.errors = validate.errors
  return reading as unknown as ValidateFunction
}
