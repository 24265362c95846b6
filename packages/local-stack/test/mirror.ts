import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Teardown } from '../src/testing/teardown.ts'

/** A download server on loopback, which is also a proxy for every other address. */
export type Mirror = {
  url: string
  /** The paths that were asked for, and the addresses for which it was the proxy. */
  asked: string[]
}

/** Starts a mirror that answers with a function. It is stopped when the test ends. */
export async function startMirror(
  t: Teardown,
  answer: (path: string, response: ServerResponse) => void,
): Promise<Mirror> {
  const asked: string[] = []
  const server = createServer(({ url = '' }, response) => {
    asked.push(url)
    answer(url, response)
  })
  server.on('connect', ({ url = '' }, socket) => {
    asked.push(url)
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    server.emit('connection', socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
