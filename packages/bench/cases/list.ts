import { inChild } from '../harness/in-child.ts'
import { perSecond, type Sample } from '../harness/statistics.ts'
import type { DriverJob } from '../processes/driver.ts'
import type { Case } from './case.ts'

const connections = 16

/** A page of 20: the first one, and one after nine tenths of all users. */
export const list: Case = {
  name: 'list',
  async run({ ids, stack, queryUrl, token, load, compare, size: { seconds } }) {
    const bearer = await token()
    const depth = Math.floor(ids.length * 0.9)
    const cursor = await cursorAt(depth, queryUrl, bearer)
    const pages = (path: string) => () =>
      load({ baseUrl: queryUrl, token: bearer, connections, seconds, requests: [{ path }] })
    const { first, deep, limit } = await compare({
      first: pages('/api/v1/users?limit=20'),
      deep: pages(`/api/v1/users?limit=20&cursor=${encodeURIComponent(cursor)}`),
      limit: () =>
        inChild<DriverJob, Sample>('driver', {
          uri: stack.uris.read,
          collection: 'users_read_v1',
          inFlight: connections,
          seconds,
          read: { filter: {}, limit: 20 },
        }),
    })
    const raw = { what: 'driver, `find().sort().limit(20)`', values: perSecond(limit) }
    return [
      {
        what: `list of 20, first page, ${connections} connections`,
        unit: '/s',
        ours: perSecond(first),
        limit: raw,
        reach: { atLeast: 0.8 },
      },
      {
        what: `list of 20, the page at depth ${depth} by cursor`,
        unit: '/s',
        ours: perSecond(deep),
        limit: { what: 'its own first page', values: perSecond(first) },
        reach: { atLeast: 0.9 },
      },
    ]
  },
}

async function cursorAt(depth: number, baseUrl: string, bearer: string): Promise<string> {
  let cursor = ''
  for (let at = 0; at < depth; at += 100) {
    const query = `limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`
    const response = await fetch(`${baseUrl}/api/v1/users?${query}`, { headers: { authorization: `Bearer ${bearer}` } })
    const { pagination } = (await response.json()) as { pagination?: { nextCursor?: string } }
    if (!pagination?.nextCursor) throw new Error(`no page after ${at} users: ${response.status}`)
    cursor = pagination.nextCursor
  }
  return cursor
}
