import { startChild } from '../harness/in-child.ts'
import { inTurns } from '../harness/rounds.ts'
import { perSecond, type Sample } from '../harness/statistics.ts'
import type { BareRouteJob } from '../processes/bare-route.ts'
import type { Case } from './case.ts'

/**
 * GET by id of 1,000 users that are asked for again and again. Processes of the same code differ by a tenth and more, as
 * long as they live, so each round measures new ones, after a load that warms them up.
 */
export const byIdHot: Case = {
  name: 'by-id-hot',
  async run({ ids, stack, queryUrl, jwksFile, token, load, say, size }) {
    const hot = ids.filter((_, i) => i % Math.ceil(ids.length / 1_000) === 0)
    const bearer = await token()
    const { bodies, headers } = await answersOf(hot, queryUrl, bearer)
    const settings = { jwksFile, issuer: 'cqrs-user-service', audience: 'cqrs-user-service' }
    const job = { token: bearer, connections: 64, seconds: size.seconds, requests: hot.map(path) }

    async function ask(baseUrl: string): Promise<Sample> {
      if (size.warmUp) await load({ ...job, baseUrl })
      return load({ ...job, baseUrl })
    }
    async function ours(): Promise<Sample> {
      await stack.servers['query-api'].stop()
      await stack.servers['query-api'].start()
      return ask(queryUrl)
    }
    const bare = (headers: BareRouteJob['headers']) => async () => {
      const route = await startChild<BareRouteJob, Started>('bare-route', { bodies, headers, ...settings })
      const sample = await ask(route.answer.baseUrl)
      route.stop()
      return sample
    }
    const contenders = { ours, sameBody: bare({}), sameBytes: bare(headers) }
    const samples = await inTurns(contenders, { ...size, warmUp: false, say })
    const measured = {
      what: `GET by id, hot ${hot.length} of ${ids.length} users, 64 connections`,
      unit: '/s',
      ours: perSecond(samples.ours),
      reach: { atLeast: 0.85 },
    } as const
    const route = 'bare Fastify route, same token check, '
    return [
      { ...measured, limit: { what: `${route}same body, no other headers`, values: perSecond(samples.sameBody) } },
      { ...measured, limit: { what: `${route}same bytes, headers included`, values: perSecond(samples.sameBytes) } },
    ]
  },
}

type Started = { baseUrl: string }

export const path = (id: string) => ({ path: `/api/v1/users/${id}` })

async function answersOf(ids: string[], baseUrl: string, bearer: string) {
  const bodies: Record<string, string> = {}
  const headers: Record<string, string> = {}
  for (const id of ids) {
    const response = await fetch(baseUrl + path(id).path, { headers: { authorization: `Bearer ${bearer}` } })
    if (!response.ok) throw new Error(`${id}: ${response.status}`)
    bodies[id] = await response.text()
    Object.assign(headers, Object.fromEntries(response.headers))
  }
  for (const name of writtenByNode) delete headers[name]
  return { bodies, headers }
}

const writtenByNode = ['content-type', 'content-length', 'date', 'connection', 'keep-alive']
