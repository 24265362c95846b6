import { outcome, type Result, reached } from './result.ts'
import { number, table } from './table.ts'

/** docs/benchmarks.md. */
export function report(
  results: readonly Result[],
  context: { command: string; machine: string[]; failures: string[] },
): string {
  const judged = results.filter((result) => reached(result) !== undefined)
  const short = judged.filter((result) => !reached(result))
  return `# Benchmarks

<!-- \`npm run bench\` writes this file. -->

${judged.length - short.length} of ${judged.length} figures reach their target. ${shortfalls(short)}

Each figure is the median of several rounds, with the minimum and maximum in parentheses. A case and its limit are
measured in turns, and the ratio is the median of the rounds' ratios, because the machine is shared and its speed
drifts. A separate process sends the load directly to the service, on the same cores as everything else. Services log
only warnings.
[performance.md](performance.md) explains the figures that fall short.

\`${context.command}\` on ${new Date().toISOString().slice(0, 10)}:

${context.machine.map((line) => `- ${line}`).join('\n')}

${table(results)}
${context.failures.map((failure) => `\n**not measured**: ${failure}`).join('\n')}`
}

const shortfalls = (short: Result[]): string => (short.length === 0 ? '' : `Short: ${short.map(shortfall).join('; ')}.`)

const shortfall = (result: Result): string =>
  `${result.what} (${number(outcome(result))}${result.limit ? '' : ` ${result.unit}`})`
