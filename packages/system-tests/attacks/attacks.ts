import fc from 'fast-check'
import {
  hostileHeaderValue,
  hostileJson,
  hostileName,
  hostilePath,
  hostileQuery,
  hostileText,
  hostileValue,
} from './hostile.ts'
import type { Operation } from './operations.ts'

export type Attack = {
  /** Which part of the request is malformed. */
  kind: string
  method: string
  /** As in the request line. */
  target: string
  bytes: Buffer
  /** Whether the token is a forgery, which must not be accepted. */
  isForged: boolean
}
/** The attacker: a user with a valid token, and forgeries of it. */
export type Attacker = { id: string; token: string; refreshToken: string; forged: Record<string, string> }

type Request = {
  method: string
  target: string
  headers: [name: string, value: string][]
  body?: Buffer
  isForged?: boolean
  detail?: string
}

/** Bad requests of an operation: each is a valid request with one fault, sometimes more. */
export function attacksOn(described: Operation, attacker: Attacker): fc.Arbitrary<Attack> {
  const operation = { ...described, body: bodyOf(described, attacker) }
  const good = goodRequest(operation, attacker)
  const kinds: Record<string, fc.Arbitrary<Request>> = {
    path: fc.tuple(fc.nat(good.target.length), hostilePath, fc.boolean()).map(([at, text, isInserted]) => ({
      ...good,
      target: inTarget(good.target.slice(0, at) + text + (isInserted ? good.target.slice(at) : '')),
    })),
    'path parameter': hostileText.map((text) => ({ ...good, target: withParameters(operation, () => inTarget(text)) })),
    query: hostileQuery.map((query) => ({ ...good, target: inTarget(`${good.target}?${query}`) })),
    method: fc
      .constantFrom(
        'PATCH',
        'OPTIONS',
        'TRACE',
        'PROPFIND',
        'HEAD',
        'POST',
        'PUT',
        'GET',
        'FOO',
        'get',
        'G\0T',
        'QUERY',
      )
      .map((method) => ({ ...good, method })),
    header: fc
      .tuple(fc.constantFrom(...headerNames, ...operation.headers, ...operation.headers), hostileHeaderValue)
      .map(([name, value]) => ({ ...good, headers: [...good.headers, [name, value] as [string, string]] })),
    'header twice': fc
      .tuple(fc.constantFrom('Host', ...good.headers.map(([name]) => name), ...operation.headers), hostileHeaderValue)
      .map(([name, value]) => ({
        ...good,
        headers: [...good.headers, [name, value], [name, value]] as [string, string][],
      })),
    framing: fc.constantFrom(...framings).map((headers) => ({ ...good, headers: [...good.headers, ...headers] })),
    'oversized header': fc.integer({ min: 15_000, max: 40_000 }).map((size) => ({
      ...good,
      headers: [...good.headers, ['X-Filler', 'x'.repeat(size)] as [string, string]],
    })),
    ...(operation.needsToken && {
      token: fc.constantFrom(...Object.entries(attacker.forged)).map(([detail, token]) => ({
        ...good,
        detail,
        headers: [
          ...good.headers.filter(([name]) => name !== 'Authorization'),
          ['Authorization', `Bearer ${token}`],
        ] as [string, string][],
        isForged: true,
      })),
      credentials: fc
        .oneof(
          hostileHeaderValue,
          fc.constantFrom('Bearer', 'Bearer ', 'bearer  x', 'Basic eDp5', 'Bearer x y', 'DPoP x'),
        )
        .map((value) => ({
          ...good,
          headers: [...good.headers.filter(([name]) => name !== 'Authorization'), ['Authorization', value]] as [
            string,
            string,
          ][],
          isForged: true,
        })),
    }),
    ...(operation.body ? bodyAttacks(operation.body, good) : { 'body that is not asked for': unaskedBody(good) }),
  }
  // If there is a body, most faults are in it.
  const weights: Record<string, number> = { token: 4, 'body value': 5, 'body field': 3, 'body text': 3, query: 2 }
  return fc.oneof(
    ...Object.entries(kinds).map(([kind, arbitrary]) => ({
      weight: weights[kind] ?? 1,
      arbitrary: arbitrary.map((request) => attackOf(kind, request)),
    })),
  )
}

const unaskedBody = (good: Request): fc.Arbitrary<Request> =>
  fc.tuple(hostileJson, fc.constantFrom('application/json', ...contentTypes)).map(([body, type]) => ({
    ...good,
    headers: [...good.headers, ['Content-Type', type]],
    body,
  }))

function bodyAttacks(example: Record<string, unknown>, good: Request): Record<string, fc.Arbitrary<Request>> {
  const json = (value: unknown): Request => ({ ...good, body: Buffer.from(JSON.stringify(value) ?? '') })
  const field = fc.constantFrom(...Object.keys(example))
  return {
    'body value': fc.tuple(field, hostileValue).map(([name, value]) => json({ ...example, [name]: value })),
    'body field': fc.oneof(
      // Defined, not assigned, so that a name such as __proto__ is sent.
      fc
        .tuple(hostileName, hostileValue)
        .map(([name, value]) =>
          json(Object.defineProperty({ ...example }, name, { value, enumerable: true, configurable: true })),
        ),
      field.map((name) => json({ ...example, [name]: undefined })),
    ),
    'body shape': hostileValue.map(json),
    'body text': hostileJson.map((body) => ({ ...good, body })),
    'content type': fc.oneof(fc.constantFrom(...contentTypes), hostileHeaderValue).map((type) => ({
      ...good,
      headers: [...good.headers.filter(([name]) => name !== 'Content-Type'), ['Content-Type', type]] as [
        string,
        string,
      ][],
    })),
    'oversized body': fc
      .tuple(fc.integer({ min: 16_000, max: 60_000 }), fc.constantFrom(...Object.keys(example)))
      .map(([size, name]) => json({ ...example, [name]: 'x'.repeat(size) })),
  }
}

/** The example of the body, with the attacker's own refresh token if the body has one. */
const bodyOf = ({ body }: Operation, { refreshToken }: Attacker): Operation['body'] =>
  body && { ...body, ...('refreshToken' in body && { refreshToken }) }

function goodRequest(operation: Operation, { id, token }: Attacker): Request {
  return {
    method: operation.method,
    target: withParameters(operation, (name, example) => (name === 'id' ? id : example)),
    headers: [
      ...(operation.needsToken ? [['Authorization', `Bearer ${token}`] as [string, string]] : []),
      ...(operation.body ? [['Content-Type', 'application/json'] as [string, string]] : []),
    ],
    ...(operation.body && { body: Buffer.from(JSON.stringify(operation.body)) }),
  }
}

const withParameters = (
  { path, pathParameters }: Operation,
  value: (name: string, example: string) => string,
): string => path.replaceAll(/\{(\w+)\}/g, (_braces, name: string) => value(name, pathParameters[name] ?? ''))

/** White space would end the target in the request line; everything else is sent as UTF-8. */
const inTarget = (text: string): string => Buffer.from(text.replaceAll(/[\s\0]/g, '%00')).toString('latin1')

function attackOf(kind: string, { method, target, headers, body, isForged = false, detail }: Request): Attack {
  const isFramed = headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name))
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: localhost',
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body && !isFramed ? [`Content-Length: ${body.length}`] : []),
  ]
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body ?? Buffer.alloc(0)])
  return { kind: detail ? `${kind} (${detail})` : kind, method, target, bytes, isForged }
}

const headerNames = [
  'Accept',
  'Accept-Encoding',
  'Cookie',
  'Range',
  'Origin',
  'Forwarded',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-HTTP-Method-Override',
  'X-Original-URL',
  'Expect',
  'TE',
  'traceparent',
  'If-Match',
  'If-None-Match',
  'If-Modified-Since',
  'Idempotency-Key',
  '__proto__',
  'constructor',
]

const contentTypes = [
  'text/plain',
  'text/html',
  'application/xml',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/json; charset=utf-16',
  'application/json; charset=',
  'application/json;',
  'application/json, text/plain',
  'APPLICATION/JSON',
  'application/jsonx',
  'application/problem+json',
  'application/octet-stream',
  '*/*',
  '/',
  '',
]

/** Headers that delimit the body in ways on which servers disagree. */
const framings: [string, string][][] = [
  [
    ['Content-Length', '0'],
    ['Content-Length', '5'],
  ],
  [['Content-Length', '-1']],
  [['Content-Length', '+5']],
  [['Content-Length', '5, 5']],
  [['Content-Length', '0x5']],
  [['Content-Length', '99999999999999999999']],
  [
    ['Content-Length', '10000000'],
    ['Connection', 'close'],
  ],
  [
    ['Content-Length', '5'],
    ['Transfer-Encoding', 'chunked'],
  ],
  [['Transfer-Encoding', 'identity']],
  [['Transfer-Encoding', 'gzip']],
  [['Transfer-Encoding', 'chunked, identity']],
  [['Transfer-Encoding', 'x\u000bchunked']],
  [
    ['Expect', '100-continue'],
    ['Content-Length', '0'],
  ],
  [
    ['Expect', 'the unexpected'],
    ['Content-Length', '0'],
  ],
  [
    ['Upgrade', 'h2c'],
    ['Connection', 'Upgrade, HTTP2-Settings'],
    ['HTTP2-Settings', 'AAMAAABkAAQAAP__'],
    ['Content-Length', '0'],
  ],
  [
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Content-Length', '0'],
  ],
  [
    ['Content-Encoding', 'gzip'],
    ['Content-Length', '0'],
  ],
  [['Bad Name', 'x']],
  [['X-Folded', 'a\r\n b']],
  [['X-Cr', 'a\rb']],
  [[': x', 'y']],
]
