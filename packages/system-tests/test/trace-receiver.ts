import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Teardown } from '@cqrs/local-stack/testing'

export type Span = {
  service: string
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
  kind: 'INTERNAL' | 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER'
  attributes: Record<string, string | number>
  links: { traceId: string; spanId: string }[]
  isError: boolean
}

/**
 * A receiver of OTLP over HTTP, as a collector is one, for this test only.
 * @returns its URL, what has arrived so far, and how it treats further exports
 */
export async function traceReceiver(t: Teardown) {
  const spans: Span[] = []
  const resources: Span['attributes'][] = []
  /** Every byte that arrived, to search for what must not be in it. */
  const bodies: Buffer[] = []
  let mood: 'accepts' | 'hangs' | 'refuses' = 'accepts'
  const server = createServer(async (request, response) => {
    const body = await buffer(request)
    if (mood === 'hangs') return
    response.statusCode = mood === 'refuses' ? 503 : 200
    response.end()
    if (mood === 'refuses') return
    bodies.push(body)
    for (const resourceSpans of fieldsOf(body, 1)) {
      const resource = attributesOf(fieldsOf(fieldsOf(resourceSpans, 1)[0], 1))
      resources.push(resource)
      for (const scopeSpans of fieldsOf(resourceSpans, 2))
        for (const span of fieldsOf(scopeSpans, 2)) spans.push(spanOf(span, String(resource['service.name'])))
    }
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    resources,
    bodies,
    becomes: (next: typeof mood) => {
      mood = next
    },
  }
}

// OTLP's protobuf (opentelemetry/proto/trace/v1/trace.proto), as far as the tests look at it. Written apart from the
// exporter, so that it does not share its mistakes.

const kinds = ['INTERNAL', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'] as const

function spanOf(span: Buffer, service: string): Span {
  const hex = (number: number, message = span) => fieldsOf(message, number)[0]?.toString('hex') ?? ''
  const status = fieldsOf(span, 15)[0]
  return {
    service,
    traceId: hex(1),
    spanId: hex(2),
    parentSpanId: hex(4),
    name: String(fieldsOf(span, 5)[0]),
    kind: kinds[numberOf(span, 6) ?? 0] ?? 'INTERNAL',
    attributes: attributesOf(fieldsOf(span, 9)),
    links: fieldsOf(span, 13).map((link) => ({ traceId: hex(1, link), spanId: hex(2, link) })),
    isError: numberOf(status, 3) === 2,
  }
}

const attributesOf = (pairs: Buffer[]): Span['attributes'] =>
  Object.fromEntries(
    pairs.map((pair) => {
      const value = fieldsOf(pair, 2)[0]
      return [String(fieldsOf(pair, 1)[0]), fieldsOf(value, 1)[0]?.toString() ?? numberOf(value, 3) ?? '?']
    }),
  )

const fieldsOf = (message: Buffer | undefined, number: number) =>
  read(message).flatMap((field) => (field.number === number && Buffer.isBuffer(field.value) ? [field.value] : []))

const numberOf = (message: Buffer | undefined, number: number) =>
  read(message).flatMap((field) => (field.number === number && !Buffer.isBuffer(field.value) ? [field.value] : []))[0]

/** The fields of a protobuf message: a number for a varint, else the bytes. */
function read(message: Buffer = Buffer.alloc(0)): { number: number; value: number | Buffer }[] {
  const fields = []
  let at = 0
  const varint = () => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++] ?? 0
      value += (byte % 128) * factor
      if (byte < 128) return value
    }
  }
  const bytes = (length: number) => {
    at += length
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const tag = varint()
    const wireType = tag % 8
    const value = wireType === 0 ? varint() : bytes(wireType === 1 ? 8 : wireType === 5 ? 4 : varint())
    fields.push({ number: Math.floor(tag / 8), value })
  }
  return fields
}
