import { readFileSync } from 'node:fs'
import type { ServiceName, Stack } from '@cqrs/local-stack'

/** Resident memory of each service in MiB. */
export type Memory = Record<ServiceName, number>

export function memoryOf(stack: Stack): Memory {
  const { servers } = stack
  return {
    'command-api': residentMib(servers['command-api'].pid),
    projector: residentMib(servers.projector.pid),
    'query-api': residentMib(servers['query-api'].pid),
  }
}

/** Linux's resident memory (VmRSS) in MiB; NaN if there is no such process, or on another system. */
export function residentMib(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1_024
  } catch {
    return Number.NaN
  }
}

/** Takes a sample twice a second until stopped. */
export function sampling<T>(take: () => T): { stop: () => T[] } {
  const taken: T[] = [take()]
  const timer = setInterval(() => taken.push(take()), 500)
  return {
    stop: () => {
      clearInterval(timer)
      return taken
    },
  }
}
