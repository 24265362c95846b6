import type { Outcome } from './scenario.ts'

/** What each process of a service may use. */
const maxHeapMb = 192

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
  'largest heap (MB)',
]

/** The outcomes as a Markdown table. */
export function reportTable(outcomes: Outcome[]): string {
  const rows = outcomes.map(
    ({ scenario, rounds, acknowledged, lost, differing, doubled, unwelcomed, inTheWindow, ...measured }) =>
      [
        scenario,
        rounds,
        acknowledged,
        lost.length,
        differing.length,
        doubled.length,
        unwelcomed.length,
        inTheWindow.length,
        seconds(measured.longestRecoveryMs),
        Object.entries(measured.largestHeap)
          .map(([service, mb]) => `${service} ${mb.toFixed(0)}`)
          .join(', '),
      ].join(' | '),
  )
  return `
| ${columns.join(' | ')} |
|${'---|'.repeat(columns.length)}
${rows.map((row) => `| ${row} |`).join('\n')}
`
}

/** The longest recovery over all scenarios, in words. */
export function longestRecovery(outcomes: Outcome[]): string {
  const [longest] = outcomes.toSorted((one, other) => other.longestRecoveryMs - one.longestRecoveryMs)
  return longest ? `longest recovery: ${seconds(longest.longestRecoveryMs)} (${longest.scenario})` : 'nothing was run'
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

/** The failures of all scenarios, one line each. */
export const failuresIn = (outcomes: Outcome[]): string[] =>
  outcomes.flatMap(({ scenario, lost, differing, doubled, unwelcomed, wrong, largestHeap }) => [
    ...[...lost, ...differing, ...wrong].map((what) => `${scenario}: ${what}`),
    ...doubled.map((email) => `${scenario}: more than one mail to ${email}`),
    ...unwelcomed.map((email) => `${scenario}: no mail to ${email}`),
    ...Object.entries(largestHeap)
      // Without a value, that of a service was never read.
      .filter(([, mb]) => !(mb > 0 && mb < maxHeapMb))
      .map(([service, mb]) => `${scenario}: the heap of ${service} had ${mb.toFixed(0)} MB`),
  ])
