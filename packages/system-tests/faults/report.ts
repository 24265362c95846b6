import type { Outcome } from './scenario.ts'

const columns = [
  'fault',
  'rounds',
  'commands acknowledged',
  'commands lost',
  'documents that differ',
  'mails doubled',
  'mails missing',
  'mails in the window',
  'longest until whole',
]

/** The outcomes as a Markdown table. */
export function reportTable(outcomes: Outcome[]): string {
  const rows = outcomes.map(
    ({ scenario, rounds, acknowledged, lost, differing, doubled, unwelcomed, inTheWindow, longestRecoveryMs }) =>
      [
        scenario,
        rounds,
        acknowledged,
        lost.length,
        differing.length,
        doubled.length,
        unwelcomed.length,
        inTheWindow.length,
        `${(longestRecoveryMs / 1000).toFixed(1)} s`,
      ].join(' | '),
  )
  return `
| ${columns.join(' | ')} |
|${'---|'.repeat(columns.length)}
${rows.map((row) => `| ${row} |`).join('\n')}
`
}

/** The failures of all scenarios, one line each. */
export const failuresIn = (outcomes: Outcome[]): string[] =>
  outcomes.flatMap(({ scenario, lost, differing, doubled, unwelcomed, wrong }) => [
    ...[...lost, ...differing, ...wrong].map((what) => `${scenario}: ${what}`),
    ...doubled.map((email) => `${scenario}: more than one mail to ${email}`),
    ...unwelcomed.map((email) => `${scenario}: no mail to ${email}`),
  ])
