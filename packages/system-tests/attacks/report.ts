import type { Outcome } from './campaign.ts'

/** The outcomes as a Markdown table. */
export function reportTable(outcomes: Outcome[]): string {
  const rows = outcomes.map(({ operation: { method, path }, requests, statuses, slowestMs, failures }) =>
    [
      `${method} ${path}`,
      requests,
      Object.entries(statuses)
        .map(([status, count]) => `${status}: ${count}`)
        .join(', '),
      `${(slowestMs / 1000).toFixed(1)} s`,
      failures.length,
    ].join(' | '),
  )
  return `
| route | bad requests | answers | slowest | wrong |
|---|---|---|---|---|
${rows.map((row) => `| ${row} |`).join('\n')}
`
}

/** The failures of all operations, one line each. */
export const failuresIn = (outcomes: Outcome[]): string[] =>
  outcomes.flatMap(({ operation, failures }) => failures.map((failure) => `${operation.id}: ${failure}`))
