const numbers = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** @param {number | null | undefined} value */
export const number = (value) => (value == null ? 'unknown' : numbers.format(value))

/** @param {number | null | undefined} value @param {string} one @param {string} [many] */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`

/** @param {number | null | undefined} perSecond */
export const rate = (perSecond) => (perSecond == null ? 'rate unknown' : `${numbers.format(perSecond)}/s`)

/** A duration. @param {number | null | undefined} value in seconds */
export function seconds(value) {
  if (value == null) return 'unknown'
  if (value < 120) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`
  if (value < 7_200) return `${Math.round(value / 60)} min`
  return value < 172_800 ? `${Math.round(value / 3_600)} h` : `${Math.round(value / 86_400)} days`
}

/** Today's times without the date. @param {string | number | Date} at */
export function time(at) {
  const date = new Date(at)
  return (date.toDateString() === new Date().toDateString() ? clock : calendar).format(date)
}
