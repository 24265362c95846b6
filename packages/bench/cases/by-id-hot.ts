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
    const { bodies, headers } = await answersOf(hot, queryUrl, bearer)
    const settings = { jwksFile, issuer: 'cqrs-user-service', audience: 'cqrs-user-service' }
    const bare = await startChild<BareRouteJob, Started>('bare-route', { bodies, headers: {}, ...settings })
    const alike = await startChild<BareRouteJob, Started>('bare-route', { bodies, headers, ...settings })

    const ask = (baseUrl: string) => () =>
      load({ baseUrl, token: bearer, connections: 64, seconds: size.seconds, requests: hot.map(path) })
    const { ours, sameBody, sameBytes } = await compare({
      ours: ask(queryUrl),
      sameBody: ask(bare.answer.baseUrl),
      sameBytes: ask(alike.answer.baseUrl),
    })
    bare.stop()
    alike.stop()
    const measured = {
      what: `GET by id, hot ${hot.length} of ${ids.length} users, 64 connections`,
      unit: '/s',
      ours: perSecond(ours),
      reach: { atLeast: 0.85 },
    } as const
    const route = 'bare Fastify route, same token check, '
    return [
      { ...measured, limit: { what: `${route}same body, no other headers`, values: perSecond(sameBody) } },
      { ...measured, limit: { what: `${route}same bytes, headers included`, values: perSecond(sameBytes) } },
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
