import t from 'tap'
import { startCommandApi } from './fixture.ts'

const { send, newUser, newAdmin } = await startCommandApi(t)
const admin = await newAdmin()
const self = `/api/v1/users/${admin.user.id}`
const buyer = { name: 'Jane Doe', roles: ['buyer'] }

t.test('the last active admin can be neither demoted, deactivated nor deleted', async (t) => {
  const refused = { status: 409, body: { code: 'last-admin' } }
  t.match(await send('PUT', self, buyer, admin.token), refused)
  t.match(await send('POST', `${self}/deactivate`, undefined, admin.token), refused)
  t.match(await send('DELETE', self, undefined, admin.token), refused)
  t.match(await send('PUT', self, { name: 'Still Here', roles: ['admin'] }, admin.token), { status: 200 })
})

t.test('an inactive admin is not the other one; an active one is', async (t) => {
  const { user } = await newUser()
  const other = `/api/v1/users/${user.id}`
  t.match(await send('PUT', other, { name: 'Other', roles: ['admin'] }, admin.token), { status: 200 })
  t.match(await send('POST', `${other}/deactivate`, undefined, admin.token), { status: 200 })
  t.match(await send('DELETE', self, undefined, admin.token), { status: 409, body: { code: 'last-admin' } })
  t.match(await send('POST', `${other}/activate`, undefined, admin.token), { status: 200 })
  t.match(await send('DELETE', self, undefined, admin.token), { status: 204 })
})
