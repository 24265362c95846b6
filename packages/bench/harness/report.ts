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

<!-- \`pnpm bench\` writes this file. -->

${judged.length - short.length} of ${judged.length} figures reach what they should. ${shortfalls(short)}

Each figure is the median of several rounds, with the least and the most in parentheses. A case and its limit are
measured in turns, and the ratio is the median of the rounds' ratios, because the machine is shared and drifts. Load comes
from a process of its own, straight to the service, on the same cores as everything else. Services log warnings only.
[performance.md](performance.md) explains what falls short.

\`${context.command}\` on ${new Date().toISOString().slice(0, 10)}:

${context.machine.map((line) => `- ${line}`).join('\n')}

${table(results)}
${context.failures.map((failure) => `\n**not measured**: ${failure}`).join('\n')}`
}

const shortfalls = (short: Result[]): string =>
  short.length === 0
    ? ''
    : `Short are: ${short.map((result) => `${result.what} (${number(outcome(result))}${result.limit ? '' : ` ${result.unit}`})`).join('; ')}.`
