import { routes } from '@cqrs/contracts'
import t from 'tap'
import { freshReadStore, queryApiOn } from './fixtures/query-api.ts'
import { idOf, user } from './fixtures/users.ts'

// Refusals that the other suites do not expect of each query. `npm test` fails for those that no test has seen.
const { stored, uri } = await freshReadStore(t)
await stored.insertOne({ ...user(1), version: 5, tokensFromVersion: 3, tokensRevokedAt: new Date() })
const { app, mint } = await queryApiOn(t, uri)
const authorization = `Bearer ${mint({ sub: idOf(1), ver: 2 })}`

for (const [operation, { service, path }] of Object.entries(routes)) {
  if (service !== 'query-api') continue
  t.test(`${operation} refuses a revoked token`, async (t) => {
    const url = path.replace(':id', idOf(1)).replace(':role', 'buyer')
    const answer = await app.inject({ url, headers: { authorization } })
    t.match(answer.json(), { status: 401, code: 'token-revoked' })
  })
}
