import t from 'tap'
import { failuresIn, longestRecovery, reportTable } from '../../faults/report.ts'
import type { Outcome } from '../../faults/scenario.ts'

const whole: Outcome = {
  scenario: 'a fault',
  rounds: 1,
  acknowledged: 10,
  lost: [],
  differing: [],
  doubled: [],
  unwelcomed: [],
  inTheWindow: [],
  wrong: [],
  longestRecoveryMs: 1_234,
  largestHeap: { 'command-api': 50, projector: 60.4, 'query-api': 40 },
}
const slow: Outcome = { ...whole, scenario: 'another', longestRecoveryMs: 5_678 }

t.test('each kind of failure is listed, a heap above the bound or never read as well', async (t) => {
  t.strictSame(failuresIn([whole]), [])
  const failed: Outcome = {
    ...whole,
    lost: ['one is lost'],
    differing: ['two differs'],
    wrong: ['projector ended unexpectedly'],
    doubled: ['c@example.com'],
    unwelcomed: ['d@example.com'],
    largestHeap: { ...whole.largestHeap, projector: 192.1, 'query-api': Number.NaN },
  }
  t.strictSame(failuresIn([failed]), [
    'a fault: one is lost',
    'a fault: two differs',
    'a fault: projector ended unexpectedly',
    'a fault: more than one mail to c@example.com',
    'a fault: no mail to d@example.com',
    'a fault: the heap of projector had 192 MB',
    'a fault: the heap of query-api had NaN MB',
  ])
})

t.test('the report shows the largest heap and the longest recovery', async (t) => {
  t.match(reportTable([whole]), '| 1.2 s | command-api 50, projector 60, query-api 40 |')
  t.equal(longestRecovery([whole, slow]), 'longest recovery: 5.7 s (another)')
  t.equal(longestRecovery([]), 'nothing was run')
})
