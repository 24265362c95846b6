import { setTimeout as delay } from 'node:timers/promises'
import type { ServiceName } from '@cqrs/local-stack'
import type { Service } from './world.ts'

/** In MB. NaN while no process of the service has answered. */
export type LargestHeap = Record<ServiceName, number>

/** Reads the heap of every process once a second. One that is down, hangs or is too busy to answer is left out. */
export function watchHeap(services: readonly Service[]): { largest: LargestHeap; stop: () => Promise<void> } {
  const largest: LargestHeap = { 'command-api': Number.NaN, projector: Number.NaN, 'query-api': Number.NaN }
  let watching = true
  const look = async ({ name, url }: Service) => {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(900) })
    const bytes = Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(await response.text())?.[1])
    if (!(largest[name] > bytes / 2 ** 20)) largest[name] = bytes / 2 ** 20
  }
  const watch = async () => {
    while (watching)
      await Promise.all([delay(1_000), ...services.map((service) => look(service).catch(() => undefined))])
  }
  const done = watch()
  return {
    largest,
    async stop() {
      watching = false
      await done
    },
  }
}
