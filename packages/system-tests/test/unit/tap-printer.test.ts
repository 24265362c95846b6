import t from 'tap'
import { tapPrinter } from '../../../../scripts/tap-printer.ts'

t.test('a test that was skipped is listed with its reason', (t) => {
  const printer = tapPrinter(() => {})
  const output = `TAP version 14
# Subtest: test/network.test.ts
    ok 1 - hosts reach each other # SKIP only root can create network namespaces
    # Subtest: other
        ok 1 - should be equal
        ok 2 - inner # SKIP no browser
        1..2
    ok 2 - other # time=4.897ms
    1..2
ok 1 - test/network.test.ts # time=20.66ms
# { total: 3, pass: 1, skip: 2 }`
  for (const line of output.split('\n')) printer.line(line)
  t.strictSame(printer.notRun(), [
    'hosts reach each other: only root can create network namespaces',
    'inner: no browser',
  ])
  t.strictSame(printer.sum(), { total: 3, pass: 1, fail: 0 })
  t.end()
})
