import { connect, type Socket } from 'node:net'

/** A response; header names in lower case, with the last value of a repeated header. */
export type RawAnswer = { status: number; headers: Record<string, string>; body: string }

/**
 * A connection that sends bytes unchanged, well-formed HTTP or not, one request after the other. It reconnects if the
 * server has closed it.
 */
export class Connection {
  readonly #port: number
  #socket: Socket | undefined

  constructor(port: number) {
    this.#port = port
  }

  /**
   * Sends a request and waits for the response; undefined if the server closes the connection without one.
   * @throws if neither happens within `withinMs`: the server hangs
   */
  async send(
    request: Buffer,
    { method, withinMs }: { method: string; withinMs: number },
  ): Promise<RawAnswer | undefined> {
    const isReused = this.#socket !== undefined
    const answer = await this.#exchange(request, method, withinMs)
    // The server may have closed an idle connection; try a new one.
    return answer ?? (isReused ? await this.#exchange(request, method, withinMs) : undefined)
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #exchange(request: Buffer, method: string, withinMs: number): Promise<RawAnswer | undefined> {
    const socket = this.#socket ?? connect(this.#port, '127.0.0.1').setNoDelay()
    this.#socket = socket
    return new Promise((resolve, reject) => {
      let received = Buffer.alloc(0)
      const end = (answer: RawAnswer | undefined, isReusable: boolean) => {
        clearTimeout(timer)
        socket.removeAllListeners()
        // A later error, such as that of a request that was refused before it was sent completely, is ignored.
        socket.on('error', () => {})
        if (!isReusable) this.close()
        resolve(answer)
      }
      const timer = setTimeout(() => {
        this.close()
        reject(new Error(`no response within ${withinMs} ms`))
      }, withinMs)
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk])
        const answer = answerIn(received, method)
        if (answer) end(answer, answer.headers['connection'] !== 'close')
      })
      socket.on('error', () => end(undefined, false))
      socket.on('close', () => end(undefined, false))
      socket.write(request)
    })
  }
}

/** The response at the start of these bytes; undefined until it is complete. */
function answerIn(bytes: Buffer, method: string): RawAnswer | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = Number(first.split(' ')[1])
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  if (status < 200) return answerIn(bytes.subarray(end + 4), method)
  if (method === 'HEAD' || status === 204 || status === 304) return { status, headers, body: '' }
  const rest = bytes.subarray(end + 4)
  const body =
    headers['transfer-encoding'] === 'chunked' ? unchunked(rest) : sized(rest, Number(headers['content-length']))
  return body && { status, headers, body: body.toString() }
}

const sized = (bytes: Buffer, length: number): Buffer | undefined =>
  bytes.length >= length ? bytes.subarray(0, length) : undefined

function unchunked(bytes: Buffer): Buffer | undefined {
  const end = bytes.indexOf('\r\n')
  const size = end < 0 ? Number.NaN : Number.parseInt(bytes.subarray(0, end).toString(), 16)
  if (size === 0) return Buffer.alloc(0)
  if (!(bytes.length > end + 2 + size)) return undefined
  const rest = unchunked(bytes.subarray(end + 4 + size))
  return rest && Buffer.concat([bytes.subarray(end + 2, end + 2 + size), rest])
}
