import { type NatsServer, startNats } from '../nats-server.ts'
import { freePort } from '../ports.ts'
import { freshDirectory } from './fresh-directory.ts'
import type { Teardown } from './teardown.ts'

export type FreshNats = NatsServer

/**
 * A NATS server with JetStream for this test only. It keeps its port and its streams when `server` is killed, stopped
 * and started again. Stopped when the test ends.
 */
export async function freshNats(t: Teardown): Promise<FreshNats> {
  const directory = await freshDirectory(t)
  const nats = await startNats({ dataDir: directory, logDir: directory, port: await freePort() })
  t.teardown(() => nats.server.stop())
  return nats
}
