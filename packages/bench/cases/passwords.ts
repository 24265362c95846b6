import { availableParallelism } from 'node:os'
import { inChild } from '../harness/in-child.ts'
import { password } from '../harness/seed.ts'
import { perSecond, type Sample } from '../harness/statistics.ts'
import type { Argon2Job } from '../processes/argon2.ts'
import type { Case } from './case.ts'

const inFlight = availableParallelism()
/** As many as keep the hasher's queue from running empty, and well below its bound. */
const connections = 4 * inFlight

/** Registering and logging in, next to nothing but hashing. */
export const passwords: Case = {
  name: 'passwords',
  async run({ write, stack, commandUrl, load, compare, size }) {
    const seconds = size.seconds * 2
    const emails = await write
      .collection('users')
      .find({}, { projection: { email: 1 } })
      .limit(1_000)
      .toArray()
    const logins = emails
      .filter(({ email }) => email !== 'bench@example.com')
      .map(({ email }) => ({ method: 'POST' as const, path: '/api/v1/auth/login', body: { email, password } }))
    const argon2 = (what: Argon2Job['what']) => () => inChild<Argon2Job, Sample>('argon2', { what, inFlight, seconds })

    // In production the others have machines of their own; here they would take the cores that are counted.
    await stack.servers.projector.stop()
    await stack.servers['query-api'].stop()
    const register = await compare({
      ours: () => load({ baseUrl: commandUrl, connections, seconds, requests: registrations(400 * seconds) }),
      limit: argon2('hash'),
    })
    const login = await compare({
      ours: () => load({ baseUrl: commandUrl, connections, seconds, requests: logins }),
      limit: argon2('verify'),
    })
    await Promise.all([stack.servers.projector.start(), stack.servers['query-api'].start()])
    const note = 'command-api, its database and NATS on the same cores as the load; projector and query-api stopped'
    return [
      {
        what: 'register',
        unit: '/s',
        ours: perSecond(register.ours),
        limit: { what: `\`argon2.hash\` on ${inFlight} cores`, values: perSecond(register.limit) },
        reach: { atLeast: 0.9 },
        note,
      },
      {
        what: 'login',
        unit: '/s',
        ours: perSecond(login.ours),
        limit: { what: `\`argon2.verify\` on ${inFlight} cores`, values: perSecond(login.limit) },
        reach: { atLeast: 0.9 },
        note,
      },
    ]
  },
}

/** Requests that register so many new users. */
export function registrations(count: number) {
  return Array.from({ length: count }, () => ({
    method: 'POST' as const,
    path: '/api/v1/auth/register',
    body: { email: `${crypto.randomUUID()}@example.com`, password, name: 'Bench', roles: ['buyer'] },
  }))
}
