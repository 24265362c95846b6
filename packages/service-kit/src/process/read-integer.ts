/**
 * The number that plain decimal digits stand for; any other text as it is, for a schema to refuse. `Number` and the
 * conversions of Ajv and typebox take `0x10`, `1e1`, `1.9`, ` 1` and some of them `true` as well.
 */
export const readInteger = (text: string): number | string =>
  /^(?:0|-?[1-9]\d{0,14})$/.test(text) ? Number(text) : text
