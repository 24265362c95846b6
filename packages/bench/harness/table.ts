import { outcome, type Result, reached, type Unit } from './result.ts'
import { median } from './statistics.ts'

/** Results as a Markdown table, followed by the notes on single lines. */
export function table(results: readonly Result[]): string {
  const head = ['| case | measured | limit beside it | ratio | to reach | |', '|---|---|---|---|---|---|']
  return [...head, ...results.map(row), ...notes(results)].join('\n')
}

function row(result: Result): string {
  const { what, unit, ours, limit } = result
  const cells = [
    what,
    withSpread(ours, unit),
    limit ? `${limit.what}: ${withSpread(limit.values, unit)}` : '',
    limit ? number(outcome(result)) : '',
    target(result),
    verdict(result),
  ]
  return `| ${cells.join(' | ')} |`
}

function notes(results: readonly Result[]): string[] {
  const noted = results.filter(({ note }) => note)
  return noted.length > 0 ? ['', ...noted.map(({ what, note }) => `- **${what}**: ${note}`)] : []
}

/** The median, followed by minimum and maximum if there are several rounds. */
function withSpread(values: readonly number[], unit: Unit): string {
  const middle = `${number(median(values))}${unit && ` ${unit}`}`
  if (values.length < 2) return middle
  return `${middle} (${number(Math.min(...values))}–${number(Math.max(...values))})`
}

function target({ reach, limit, unit }: Result): string {
  if (!reach) return ''
  const [sign, value] = 'atLeast' in reach ? ['≥', reach.atLeast] : ['≤', reach.atMost]
  return `${sign} ${value}${limit || !unit ? '' : ` ${unit}`}`
}

function verdict(result: Result): string {
  const isReached = reached(result)
  if (isReached === undefined) return ''
  return isReached ? 'reached' : '**short**'
}

/** Three significant digits. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '?'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(Math.abs(value) >= 10 ? 3 : 2)))
}
