import type { ChildServer } from '../child-server.ts'
import type { Log } from '../log.ts'
import type { Servers } from '../stack/together.ts'

/**
 * Restarts a service that ends unexpectedly, as compose and Kubernetes do. The promise resolves with a message when one
 * of the servers that the services depend on has ended.
 */
export function keepServicesRunning(
  { 'command-api': commandApi, projector, 'query-api': queryApi, ...others }: Servers,
  log: Log,
  stopped: Promise<unknown>,
): Promise<string> {
  for (const service of [commandApi, projector, queryApi]) restartAfterCrash(service, log, stopped)
  return new Promise((resolve) => {
    for (const server of Object.values(others)) server.onCrash = resolve
  })
}

function restartAfterCrash(service: ChildServer, log: Log, stopped: Promise<unknown>): void {
  let waitMs = 1_000
  let startedAt = performance.now()
  const restart = (message: string) => {
    if (performance.now() - startedAt > 60_000) waitMs = 1_000
    log(`${message}; restarting it in ${waitMs / 1_000} s`)
    const timer = setTimeout(() => {
      startedAt = performance.now()
      service.start().catch((error: Error) => restart(error.message))
    }, waitMs)
    waitMs = Math.min(waitMs * 2, 30_000)
    void stopped.then(() => clearTimeout(timer))
  }
  service.onCrash = restart
}
