import { Ajv, type ValidateFunction } from 'ajv'
import type { FastifySchemaCompiler } from 'fastify'
import { readInteger } from '../process/read-integer.ts'

type ObjectSchema = { properties?: Record<string, { type?: string }> }

/**
 * Validates the parts of a request strictly: an unknown field is an error and nothing is converted. With Fastify's own
 * settings a number becomes a password and unknown fields are dropped. Only in paths and query strings, which are
 * always text, integers and booleans are read from the text.
 */
export const compileValidator: FastifySchemaCompiler<ObjectSchema> = ({ schema, httpPart }) => {
  const validate = ajv.compile(schema)
  return httpPart === 'body' ? validate : readingText(schema, validate)
}

// `verbose` adds the schema to an error, for its `x-detail`: what a value that does not match the `pattern` must be.
const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: true, strictTypes: false, verbose: true })
ajv.addVocabulary(['x-detail'])

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
