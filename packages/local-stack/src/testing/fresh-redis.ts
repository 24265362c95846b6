import { freePort } from '../ports.ts'
import { type RedisServer, startRedis } from '../redis-server.ts'
import { freshDirectory } from './fresh-directory.ts'
import type { Teardown } from './teardown.ts'

export type FreshRedis = RedisServer

/**
 * A Valkey or Redis server that only this test uses; `server.kill()`, `stop()` and `start()` keep its address. Stopped at
 * the test's end.
 */
export async function freshRedis(t: Teardown, options: readonly string[] = []): Promise<FreshRedis> {
  const redis = await startRedis(await freshDirectory(t), await freePort(), options)
  t.teardown(() => redis.server.stop())
  return redis
}
