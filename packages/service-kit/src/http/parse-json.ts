import { Refusal } from '@cqrs/contracts'
import type { FastifyBodyParser } from 'fastify'
import type { HttpServer } from './http-server.ts'

/**
 * Parses bodies of JSON, which is UTF-8 (RFC 8259, 8.1): other bytes are malformed, another `charset` and a compressed
 * body are unsupported. A route without a body ignores an empty one: many clients always send a `Content-Type`.
 */
export function parseJson(app: HttpServer): FastifyBodyParser<Buffer> {
  const parse = app.getDefaultJsonParser('error', 'error')
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  return (request, body, done) => {
    const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = request.headers
    const charset = /;\s*charset="?([^\s";]*)/i.exec(type)?.[1] ?? 'utf-8'
    if (encoding.toLowerCase() !== 'identity' || !/^utf-?8$/i.test(charset))
      return done(new Refusal('unsupported-media-type'))
    if (body.length === 0 && !request.routeOptions.schema?.body) return done(null, undefined)
    try {
      parse(request, utf8.decode(body), done)
    } catch {
      done(new Refusal('malformed-json'))
    }
  }
}
