import type { ChildServer } from '../child-server.ts'
import { eventually } from '../eventually.ts'
import type { ProgramName, ServiceName } from './services.ts'

export type Servers = Record<ServiceName | 'nats', ChildServer> &
  Partial<Record<'mail' | 'mongodb' | 'mongodb-read' | 'operator', ChildServer>>

type Children = ProgramName | 'nats' | 'mail' | 'mongodb' | 'mongodb-read'
type Parts = Record<Children, Promise<{ server?: ChildServer }>> & { gateway: Promise<{ stop: () => Promise<void> }> }

/** Waits until all parts have started, and returns those that are processes of their own. */
export async function allServers({ gateway, ...children }: Parts): Promise<Servers> {
  const servers: Partial<Servers> = {}
  const entries = Object.entries(children) as [Children, Promise<{ server?: ChildServer }>][]
  await Promise.all([
    gateway,
    ...entries.map(async ([name, part]) => {
      const { server } = await part
      if (server) servers[name] = server
    }),
  ])
  return servers as Servers
}

/** Stops all parts, including those that are still starting: first the parts on which no other depends. */
export async function stopAll(parts: Parts): Promise<void> {
  const stop = async (name: Children) => (await parts[name].catch(() => undefined))?.server?.stop()
  const stopGateway = async () => (await parts.gateway.catch(() => undefined))?.stop()
  // The gateway waits for open responses; those to whoever watches the console end with the operator's process.
  await Promise.all([stopGateway(), stop('operator')])
  await Promise.all([stop('command-api'), stop('projector'), stop('query-api')])
  await Promise.all([stop('nats'), stop('mail')])
  await Promise.all([stop('mongodb'), stop('mongodb-read')])
}

/** Waits until the gateway reports that every service is ready. @throws at once if a server ends before that */
export async function becomesReady(healthUrl: string, servers: ChildServer[]): Promise<void> {
  const crash = new Promise<never>((_, reject) => {
    for (const server of servers) server.onCrash = (message) => reject(new Error(message))
  })
  const ready = eventually(
    async () => {
      const response = await fetch(healthUrl)
      if (!response.ok) throw new Error(`${healthUrl} answered ${await response.text()}`)
    },
    { timeoutMs: 60_000, intervalMs: 50 },
  )
  await Promise.race([ready, crash])
  for (const server of servers) server.onCrash = () => {}
}
