/**
 * Parses plain decimal digits and returns any other text unchanged, for a schema to refuse. `Number` and the
 * conversions of Ajv and typebox accept `0x10`, `1e1`, `1.9`, ` 1` and partly `true`.
 */
export const readInteger = (text: string): number | string =>
  /^(?:0|-?[1-9]\d{0,14})$/.test(text) ? Number(text) : text
