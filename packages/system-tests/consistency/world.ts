import { startWorld, type World } from '../faults/world.ts'

/** Two command-apis, three query-apis and two projectors, on hosts of their own or on one machine. */
export async function startConsistencyWorld(
  { onHosts, seed, copy }: { onHosts: boolean; seed: number; copy?: string },
  onEnd: (cleanUp: () => Promise<unknown>) => void,
): Promise<World> {
  const own = copy ? { copy } : {}
  // As on hosts.
  const env = { projector: { VERIFY_EVERY_SECONDS: '5' } }
  const scenario = { name: 'consistency', rounds: 1, env, ...own, fault: async () => {} }
  if (onHosts) return await startWorld({ ...scenario, onHosts }, seed, onEnd)
  const world = await startWorld({ ...scenario, twoOfEach: true, threeNodes: 'read' }, seed, onEnd)
  await world.addReplica('query-api')
  await world.addReplica('query-api', { READ_PREFERENCE: 'secondaryPreferred' })
  return world
}
