import { setTimeout as delay } from 'node:timers/promises'
import type { ChildServer } from '@cqrs/local-stack'
import type { World } from '../../faults/world.ts'
import { cuttingUntilElection, killing, type Nemesis, nemeses } from '../nemeses.ts'
import type { Need } from './bugs.ts'

const named = (name: string): Nemesis => {
  const found = nemeses.find((nemesis) => nemesis.name === name)
  if (!found) throw new Error(`no nemesis is ${name}`)
  return found
}

/** What they wait for hangs, so they are killed in the middle of their work. */
const killingWaiting = (
  name: 'command-api' | 'projector',
  waitingFor: string,
  hanging: (world: World) => readonly (ChildServer | undefined)[],
): Nemesis => ({
  name: `kill -9 of each ${name} that waits for ${waitingFor}`,
  kills: true,
  async strike(world, random, lastsMs) {
    const processes = world.processes[name]
    const hung = hanging(world).flatMap((server) => server?.pid ?? [])
    const signal = (signal: 'SIGSTOP' | 'SIGCONT') => {
      for (const pid of hung) process.kill(pid, signal)
    }
    signal('SIGSTOP')
    try {
      await delay(lastsMs / 2)
      await Promise.all(processes.map((server) => server.kill()))
    } finally {
      signal('SIGCONT')
      await delay(random.between(0, 1_000))
      await Promise.all(processes.map((server) => server.start()))
    }
    return { what: `${processes.length} processes`, effect: `${hung.length} servers had hung for ${lastsMs / 2} ms` }
  },
})

/** The nemeses that cause a fault, and only this one. */
export const nemesesFor: Record<Need, Nemesis[]> = {
  none: [],
  'kill projector': [killing('kill -9 of a projector', 'projector')],
  'kill waiting command-apis': [killingWaiting('command-api', 'NATS', ({ stack }) => [stack?.servers.nats])],
  'kill waiting projectors': [killingWaiting('projector', 'its database', ({ threeNodes }) => threeNodes?.nodes ?? [])],
  'kill query-api': [killing('kill -9 of a query-api', 'query-api')],
  'nats unavailable': [killing('kill -9 of NATS', 'nats')],
  'cut primary': [cuttingUntilElection('cut: the primary of the write database until there is another', 'write')],
  'secondary behind': [named('a secondary far behind')],
  rebuild: [named('a rebuild')],
  'foreign write side': [named('a foreign write database answers')],
}

/** After how long a revoked token is refused and a deleted user is gone, if only this fault lasts, in microseconds. */
export const boundsUnder = (need: Need): { revokedQuery: number; deleted: number } | undefined =>
  need === 'none' || need === 'kill query-api' ? { revokedQuery: 15_000_000, deleted: 15_000_000 } : undefined
