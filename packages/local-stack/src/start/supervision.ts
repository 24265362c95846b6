import type { ChildServer } from '../child-server.ts'
import type { Log } from '../mongo/mongod.ts'
import type { Servers } from '../stack/together.ts'

/**
 * Starts a service again when it ends by itself, as compose and Kubernetes do. The promise is kept with a message when
 * one of the servers they use has ended: there is no going on without it.
 */
export function keepServicesRunning(
  { 'command-api': commandApi, projector, 'query-api': queryApi, ...others }: Servers,
  log: Log,
  stopped: Promise<unknown>,
): Promise<string> {
  for (const service of [commandApi, projector, queryApi]) startAgainAfterCrash(service, log, stopped)
  return new Promise((resolve) => {
    for (const server of Object.values(others)) server.onCrash = resolve
  })
}

function startAgainAfterCrash(service: ChildServer, log: Log, stopped: Promise<unknown>): void {
  let waitMs = 1_000
  let startedAt = performance.now()
  const startAgain = (message: string) => {
    if (performance.now() - startedAt > 60_000) waitMs = 1_000
    log(`${message}; starting it again in ${waitMs / 1_000} s`)
    const timer = setTimeout(() => {
      startedAt = performance.now()
      service.start().catch((error: Error) => startAgain(error.message))
    }, waitMs)
    waitMs = Math.min(waitMs * 2, 30_000)
    void stopped.then(() => clearTimeout(timer))
  }
  service.onCrash = startAgain
}
