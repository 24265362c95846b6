import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { constants, setPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { Connection } from './connection.ts'

/** What a greedy client does on each of its connections at the same time. */
export type Greed = {
  /** The connections are spread over these. */
  ports: number[]
  connections: number
  seconds: number
  /**
   * `flood`: sends the request again as soon as it has an answer. `drip`: sends it slowly, and never its end. `idle`:
   * sends nothing. The latter two connect again when the server closes a connection.
   */
  manner: 'flood' | 'drip' | 'idle'
  /** Each `{n}` in it is replaced by a number of six digits, another one for each request. */
  request: string
}

/** The answers by status, and the number of open connections near the end. */
export type Took = { statuses: Record<string, number>; open: number }

// It shares the cores with the services, and must not take them away: it gets what nobody else wants.
setPriority(constants.priority.PRIORITY_LOW)
const [greed] = (await once(process, 'message')) as [Greed]
process.send?.(await (greed.manner === 'flood' ? flood(greed) : hold(greed)))
process.exit()

async function flood({ ports, connections, seconds, request }: Greed): Promise<Took> {
  const statuses: Took['statuses'] = {}
  const endsAt = performance.now() + seconds * 1_000
  let n = 0
  const onOneConnection = async (port: number) => {
    const connection = new Connection(port)
    while (performance.now() < endsAt) {
      const bytes = Buffer.from(request.replaceAll('{n}', String(n++).padStart(6, '0')))
      const answer = await connection.send(bytes, { method: 'GET', withinMs: 60_000 })
      count(statuses, answer?.status ?? 'closed')
    }
    connection.close()
  }
  await Promise.all(portsOf({ ports, connections }).map(onOneConnection))
  return { statuses, open: connections }
}

async function hold({ ports, connections, seconds, manner, request }: Greed): Promise<Took> {
  const statuses: Took['statuses'] = {}
  const sockets = new Set<Socket>()
  const open = (port: number) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    sockets.add(socket)
    socket.on('data', (bytes) => count(statuses, bytes.toString('latin1', 9, 12)))
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      setTimeout(open, 50, port)
    })
  }
  portsOf({ ports, connections }).forEach(open)
  for (let second = 0; second < seconds; second++) {
    await delay(1_000)
    if (manner === 'drip') for (const socket of sockets) socket.write(' ')
  }
  return { statuses, open: [...sockets].filter(({ readyState }) => readyState === 'open').length }
}

function portsOf({ ports, connections }: Pick<Greed, 'ports' | 'connections'>): number[] {
  return Array.from({ length: connections }, (_, index) => ports[index % ports.length] as number)
}

function count(statuses: Took['statuses'], status: number | string): void {
  statuses[status] = (statuses[status] ?? 0) + 1
}
