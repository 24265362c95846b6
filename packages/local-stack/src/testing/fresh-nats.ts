import { type NatsServer, startNats } from '../nats-server.ts'
import { freePort } from '../ports.ts'
import { freshDirectory } from './fresh-directory.ts'
import type { Teardown } from './teardown.ts'

export type FreshNats = NatsServer

/**
 * A NATS server with JetStream that only this test uses; `server.kill()`, `stop()`, `start()` and `restart()` keep its
 * address and its streams. Stopped at the test's end.
 */
export async function freshNats(t: Teardown): Promise<FreshNats> {
  const directory = await freshDirectory(t)
  const nats = await startNats({ dataDir: directory, logDir: directory, port: await freePort() })
  t.teardown(() => nats.server.stop())
  return nats
}
