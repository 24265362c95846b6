import { freePort } from '../ports.ts'
import { type RedisServer, startRedis } from '../redis-server.ts'
import { freshDirectory } from './fresh-directory.ts'
import type { Teardown } from './teardown.ts'

export type FreshRedis = RedisServer

/**
 * A Valkey or Redis server for this test only. It keeps its port when `server` is killed, stopped and started again.
 * Stopped when the test ends.
 */
export async function freshRedis(t: Teardown, options: readonly string[] = []): Promise<FreshRedis> {
  const redis = await startRedis(await freshDirectory(t), await freePort(), options)
  t.teardown(() => redis.server.stop())
  return redis
}
