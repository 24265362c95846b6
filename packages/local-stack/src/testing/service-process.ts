import { ChildServer } from '../child-server.ts'
import { compileCache } from '../compile-cache.ts'
import type { Host } from '../hosts/network.ts'
import { freePort } from '../ports.ts'
import { distFile, type ProgramName } from '../stack/services.ts'
import type { Teardown } from './teardown.ts'

export type LogLine = { level: string; msg: string; [field: string]: unknown }

/** What `/healthz` and `/readyz` answer. */
export type Health = { status: string; checks: Record<string, 'up' | 'down'>; missing?: string[]; reasons?: string[] }

export type ServiceProcess = {
  url: string
  /** Kills the process, stops it, and starts it again on the same port. */
  server: ChildServer
  /** Every line that the process has written so far. */
  lines: string[]
  /** The same lines, parsed. */
  logs: LogLine[]
  /** Sends SIGTERM and resolves to how the process ended, for example `exit code 0`. */
  terminate(): Promise<string | undefined>
  get(path: '/healthz' | '/readyz'): Promise<{ status: number; body: Health }>
  /** What `/metrics` answers. */
  metrics(): Promise<string>
  /** The value of one series, such as `up{check="nats"}`; undefined if there is none. */
  metric(series: string): Promise<number | undefined>
}

/**
 * Runs a service as in production, in a process of its own, and waits until it answers `/healthz`. The process is
 * killed when the test ends.
 * @param env the whole environment of the process, besides the directory of compiled code; without HOST and PORT it
 *   listens on a free port of 127.0.0.1
 * @param program the file below the service's `dist` that is run
 * @param on where it runs, if not on this machine itself
 * @param release the folder of another built release
 * @throws where the process does not answer in time, with the end of its output
 */
export async function startProcess(
  t: Teardown,
  service: ProgramName,
  env: NodeJS.ProcessEnv,
  { program = 'main.js', on, release }: { program?: string; on?: Host | undefined; release?: string | undefined } = {},
): Promise<ServiceProcess> {
  const port = env.PORT ?? String(await freePort())
  const address = on?.address ?? '127.0.0.1'
  const url = `http://${address}:${port}`
  const lines: string[] = []
  const logs: LogLine[] = []
  let isReady = false
  const server = new ChildServer({
    name: service,
    command: process.execPath,
    args: [distFile(service, program, release)],
    env: { ...compileCache, HOST: address, ...env, PORT: port },
    on,
    output: (line) => {
      lines.push(line)
      // A service that cannot start says why in plain text; every other line is JSON.
      if (isReady || line.startsWith('{')) logs.push(JSON.parse(line))
    },
    ready: async () => (await fetch(`${url}/healthz`)).ok,
  })
  t.teardown(() => server.kill())
  await server.start()
  isReady = true
  const metrics = async () => (await fetch(`${url}/metrics`)).text()
  return {
    url,
    server,
    lines,
    logs,
    terminate: () => server.stop(),
    async get(path) {
      const response = await fetch(url + path)
      return { status: response.status, body: (await response.json()) as Health }
    },
    metrics,
    metric: async (series) => valueIn(await metrics(), series),
  }
}

/** The value of one series in Prometheus's format; undefined if there is none. */
export function valueIn(metrics: string, series: string): number | undefined {
  const value = metrics.match(new RegExp(`^${RegExp.escape(series)} (\\S+)$`, 'm'))?.[1]
  return value === undefined ? undefined : Number(value.replace('+Inf', 'Infinity'))
}
