import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * A free TCP port of 127.0.0.1.
 *
 * It is below the range of ephemeral ports. A port in that range can be taken by an outgoing connection while its
 * server restarts, and a client that connects to a dead server there can connect to itself.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (await isFree(port)) return port
  }
  throw new Error('found no free port between 20000 and 32000')
}

/** Whether a server could listen on this port. */
export async function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

/** Whether a server accepts connections on this port. */
export async function isListening(port: number, host = '127.0.0.1'): Promise<boolean> {
  const socket = connect(port, host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
