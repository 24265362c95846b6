import type { Outcome } from './campaign.ts'

/** The outcomes as a table in Markdown. */
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

/** What must not be, of all operations, a line each. */
export const failuresIn = (outcomes: Outcome[]): string[] =>
  outcomes.flatMap(({ operation, failures }) => failures.map((failure) => `${operation.id}: ${failure}`))
