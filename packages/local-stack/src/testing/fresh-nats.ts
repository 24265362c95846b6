import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type NatsServer, startNats } from '../nats-server.ts'
import { freePort } from '../ports.ts'
import type { Teardown } from './teardown.ts'

export type FreshNats = NatsServer

/**
 * A NATS server with JetStream that only this test uses; `server.kill()`, `stop()`, `start()` and `restart()` keep its
 * address and its streams. Stopped at the test's end.
 */
export async function freshNats(t: Teardown): Promise<FreshNats> {
  const directory = await mkdtemp(join(tmpdir(), 'test-nats-'))
  const nats = await startNats({ dataDir: directory, logDir: directory, port: await freePort() })
  t.teardown(async () => {
    await nats.server.stop()
    await rm(directory, { recursive: true, force: true })
  })
  return nats
}
