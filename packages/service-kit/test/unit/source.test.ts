import t from 'tap'
import { maskedSourceOf, sourceOf } from '../../src/index.ts'

for (const [ip, source, masked] of [
  ['203.0.113.77', '203.0.113.77', '203.0.113.0/24'],
  ['::ffff:203.0.113.77', '203.0.113.77', '203.0.113.0/24'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64', '2001:db8:1::/48'],
  ['2001:0DB8:1:2:ffff::1', '2001:db8:1:2::/64', '2001:db8:1::/48'],
  ['::1', '::/64', '::/48'],
  ['fe80::1%eth0', 'fe80::/64', 'fe80::/48'],
  ['a proxy’s mistake', 'unknown', 'unknown'],
  ['', 'unknown', 'unknown'],
] as const) {
  t.test(`the source of ${ip || 'an empty address'}`, async (t) => {
    t.equal(sourceOf({ ip }), source)
    t.equal(maskedSourceOf({ ip }), masked)
  })
}
