import t from 'tap'
import { admin, type Permission, refuseGranting, self, selfOrAdmin } from '../../src/domain/permissions.ts'

const callers = {
  itself: { id: 'a', roles: ['buyer'] },
  'an admin': { id: 'b', roles: ['buyer', 'admin'] },
  'an admin itself': { id: 'a', roles: ['admin'] },
  'somebody else': { id: 'b', roles: ['buyer', 'seller'] },
}

for (const [name, permission, allowed] of [
  ['self', self, ['itself', 'an admin itself']],
  ['admin', admin, ['an admin', 'an admin itself']],
  ['self or admin', selfOrAdmin, ['itself', 'an admin', 'an admin itself']],
] as [string, Permission, string[]][]) {
  t.test(`${name} allows ${allowed.join(', ')}`, async (t) => {
    const permitted = Object.entries(callers).filter(([, caller]) => permission('a', caller))
    t.strictSame(
      permitted.map(([who]) => who),
      allowed,
    )
  })
}

t.test('only another admin grants the role admin', async (t) => {
  const refused = { code: 'role-not-allowed' }
  t.throws(() => refuseGranting(['buyer', 'admin']), refused, 'at a registration')
  t.throws(() => refuseGranting(['admin'], 'a', callers.itself), refused)
  t.throws(() => refuseGranting(['admin'], 'a', callers['somebody else']), refused)
  t.throws(() => refuseGranting(['admin'], 'a', callers['an admin itself']), refused)
  t.doesNotThrow(() => refuseGranting(['admin'], 'a', callers['an admin']))
  t.doesNotThrow(() => refuseGranting(['buyer', 'seller']))
})
