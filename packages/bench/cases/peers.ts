import { inChild } from '../harness/in-child.ts'
import { type Peer, startPeers } from '../harness/peers.ts'
import type { Result } from '../harness/result.ts'
import { perSecond, type Sample } from '../harness/statistics.ts'
import type { PacedReadsJob } from '../processes/paced-reads.ts'
import { path } from './by-id-hot.ts'
import type { Case } from './case.ts'

/** The same endpoints as most teams would write them: same database server, same users, same tokens, same load. */
export const peers: Case = {
  name: 'peers',
  async run(bench) {
    const { queryUrl, token, load, compare, ids, size } = bench
    const others = await startPeers(bench)
    try {
      const bearer = await token()
      const hot = ids.slice(-1_000).map(path)
      const against = async (requests: { path: string }[], connections: number) =>
        compare(
          byName(
            queryUrl,
            others,
            (baseUrl) => () => load({ baseUrl, token: bearer, connections, seconds: size.seconds, requests }),
          ),
        )
      const byId = await against(hot, 64)
      const lists = await against([{ path: '/api/v1/users?limit=20' }], 16)
      const rolePages = await against([{ path: '/api/v1/users/by-role/admin?limit=20' }], 16)

      const slowest = Math.min(...others.flatMap(({ name }) => perSecond(byId[name] ?? [])))
      const rate = Math.floor(slowest / 2)
      const paths = hot.map((request) => request.path)
      const paced = await compare(
        byName(
          queryUrl,
          others,
          (baseUrl) => () =>
            inChild<PacedReadsJob, Sample>('paced-reads', {
              baseUrl,
              token: bearer,
              paths,
              perSecond: rate,
              seconds: size.seconds,
            }),
        ),
      )
      return others.flatMap(({ name }): Result[] => [
        throughput(`GET by id, hot ${hot.length} users, 64 connections`, byId, name, 5),
        throughput('list of 20, first page, 16 connections', lists, name, 2),
        throughput('list of 20 by role, 1 % of all users, 16 connections', rolePages, name, 2),
        {
          what: `GET by id, p99 at ${rate} requests/s`,
          unit: 'ms',
          ours: (paced['ours'] ?? []).map(({ p99 }) => p99),
          limit: { what: name, values: (paced[name] ?? []).map(({ p99 }) => p99) },
          reach: { atMost: 1 },
        },
      ])
    } finally {
      await Promise.all(others.map((peer) => peer.stop()))
    }
  },
}

const byName = <T>(queryUrl: string, others: Peer[], of: (baseUrl: string) => T): Record<string, T> =>
  Object.fromEntries([['ours', of(queryUrl)], ...others.map(({ name, baseUrl }) => [name, of(baseUrl)] as const)])

const throughput = (what: string, samples: Record<string, Sample[]>, peer: string, atLeast: number): Result => ({
  what,
  unit: '/s',
  ours: perSecond(samples['ours'] ?? []),
  limit: { what: peer, values: perSecond(samples[peer] ?? []) },
  reach: { atLeast },
})
