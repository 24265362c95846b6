import { startChild } from '../harness/in-child.ts'
import { perSecond } from '../harness/statistics.ts'
import type { BareRouteJob } from '../processes/bare-route.ts'
import type { Case } from './index.ts'

/** GET by id of 1,000 users that are asked for again and again. */
export const byIdHot: Case = {
  name: 'by-id-hot',
  async run({ ids, queryUrl, jwksFile, token, load, compare, size }) {
    const hot = ids.filter((_, i) => i % Math.ceil(ids.length / 1_000) === 0)
    const bearer = await token()
    const answers = await answersOf(hot, queryUrl, bearer)
    const settings = { jwksFile, issuer: 'cqrs-user-service', audience: 'cqrs-user-service' }
    const bare = await startChild<BareRouteJob, { baseUrl: string }>('bare-route', { answers, ...settings })

    const ask = (baseUrl: string) => () =>
      load({ baseUrl, token: bearer, connections: 64, seconds: size.seconds, requests: hot.map(path) })
    const { ours, limit } = await compare({ ours: ask(queryUrl), limit: ask(bare.answer.baseUrl) })
    bare.stop()
    return [
      {
        what: `GET by id, hot ${hot.length} of ${ids.length} users, 64 connections`,
        unit: '/s',
        ours: perSecond(ours),
        limit: { what: 'bare Fastify route, same bytes, same token check', values: perSecond(limit) },
        reach: { atLeast: 0.85 },
      },
    ]
  },
}

export const path = (id: string) => ({ path: `/api/v1/users/${id}` })

async function answersOf(ids: string[], baseUrl: string, bearer: string): Promise<Record<string, string>> {
  const answers: Record<string, string> = {}
  for (const id of ids) {
    const response = await fetch(baseUrl + path(id).path, { headers: { authorization: `Bearer ${bearer}` } })
    if (!response.ok) throw new Error(`${id}: ${response.status}`)
    answers[id] = await response.text()
  }
  return answers
}
