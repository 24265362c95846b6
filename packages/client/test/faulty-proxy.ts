import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

type Sent = { request: string; headers: Record<string, string>; body: string; at: number }
type Fault = {
  /** Method and path of the request, as in `GET /api/v1/users`. */
  on: string
  /** Answers instead of the service. */
  answer?: { status: number; headers?: Record<string, string>; body?: string }
  /** Forwards the request, and cuts the connection instead of answering. */
  cut?: true
  /** Forwards the request, and answers after this. */
  until?: Promise<unknown>
}

export type FaultyProxy = {
  url: string
  /** Every request so far. */
  sent: Sent[]
  /** Those with this method and path. */
  sentTo(request: string): Sent[]
  /** What happens to the next request that it names, once. */
  fault(fault: Fault): void
}

/** A proxy on loopback, between a client and `target`, that fails as it is told. */
export async function faultyProxy(t: Test, target: string): Promise<FaultyProxy> {
  const sent: Sent[] = []
  const faults: Fault[] = []
  const server = createServer(async (incoming, outgoing) => {
    const { method = '', url = '' } = incoming
    const request = `${method} ${url.split('?', 1)[0]}`
    const { host: _, connection: __, 'content-length': ___, ...headers } = incoming.headers as Record<string, string>
    const body = await text(incoming)
    sent.push({ request, headers, body, at: performance.now() })
    const [fault] = faults.splice(faults.findIndex(({ on }) => on === request) >>> 0, 1)
    if (fault?.answer) {
      const { status, headers = {}, body = '' } = fault.answer
      return outgoing.writeHead(status, headers).end(body)
    }
    const answer = await fetch(target + url, { method, headers, ...(body && { body }) })
    const answered = await answer.text()
    if (fault?.cut) return incoming.socket.destroy()
    await fault?.until
    const {
      connection: _c,
      'content-length': _l,
      'transfer-encoding': _t,
      ...kept
    } = Object.fromEntries(answer.headers)
    return outgoing.writeHead(answer.status, kept).end(answered)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent,
    sentTo: (request) => sent.filter((one) => one.request === request),
    fault: (fault) => faults.push(fault),
  }
}
