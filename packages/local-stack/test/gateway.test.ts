import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer, get, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createLogger } from '@cqrs/service-kit'
import t from 'tap'
import { buildGateway } from '../src/gateway/gateway.ts'
import type { ServiceUrls } from '../src/gateway/readiness.ts'
import { copyReference } from '../src/gateway/reference.ts'
import { freePort } from '../src/ports.ts'
import { descriptionOf } from '../src/testing/description.ts'

t.test('a request reaches its service unchanged', async (t) => {
  const { base, received } = await gatewayBefore(t)
  const body = JSON.stringify({ name: 'Jane Doe' })
  await fetch(`${base}/api/v1/users/1?limit=5&x=%20`, {
    method: 'PUT',
    headers: { authorization: 'Bearer token', 'if-match': '"3"', 'content-type': 'application/json' },
    body,
  })
  t.match(received, [{ service: 'command-api', method: 'PUT', url: '/api/v1/users/1?limit=5&x=%20', body }])
  t.match(received[0]?.headers, {
    authorization: 'Bearer token',
    'if-match': '"3"',
    'content-type': 'application/json',
    'x-forwarded-host': new URL(base).host,
    'x-forwarded-proto': 'http',
    'x-request-id': /^[0-9a-f]{32}$/,
  })
})

// Without an end of its own, the answer would hold up the stop for a minute.
t.test('it stops while the console is watched', { timeout: 20_000 }, async (t) => {
  const console = createServer((_request, response) => response.write('data: {}\n\n'))
  await new Promise<void>((done) => console.listen(0, '127.0.0.1', done))
  t.teardown(() => console.closeAllConnections())
  t.teardown(() => console.close())
  const { base, close } = await gatewayBefore(t, {}, `http://127.0.0.1:${(console.address() as AddressInfo).port}`)
  const reader = (await fetch(`${base}/operator/live`)).body?.getReader()
  t.match(Buffer.from((await reader?.read())?.value ?? []).toString(), 'data: {}\n\n')
  const ended = t.rejects(reader?.read() as Promise<unknown>)
  await close()
  await ended
})

t.test('a client cannot forge its address', async (t) => {
  const { base, received } = await gatewayBefore(t)
  await fetch(`${base}/x`, { headers: { 'x-forwarded-for': '203.0.113.7' } })
  t.match(received[0]?.headers['x-forwarded-for'], /^(127\.0\.0\.1|::1)$/)
})

t.test('the response reaches the client unchanged', async (t) => {
  const { base } = await gatewayBefore(t)
  const response = await fetch(`${base}/api/v1/users`, { headers: { 'if-none-match': '"7"' } })
  t.equal(response.status, 418)
  t.match(Object.fromEntries(response.headers), { etag: '"7"', location: '/somewhere' })
  t.equal(await response.text(), 'query-api says GET')
  const head = await fetch(`${base}/api/v1/users`, { method: 'HEAD' })
  t.match([head.status, head.headers.get('etag')], [418, '"7"'])
})

t.test('headers of the connection to a service are not passed on', async (t) => {
  const { base } = await gatewayBefore(t)
  const [response] = await once(get(`${base}/api/v1/users`), 'response')
  response.resume()
  t.notOk(response.headers.connection === '' || response.headers['keep-alive'] === '')
})

t.test('/readyz and /metrics are not public, however they are written', async (t) => {
  const { base, received } = await gatewayBefore(t)
  for (const path of ['/readyz', '/metrics', '/%6detrics', '/./readyz']) {
    const [response] = await once(get(new URL(base).origin, { path }), 'response')
    response.resume()
    t.equal(response.statusCode, 404, path)
  }
  t.strictSame(received, [])
})

t.test('the path that is routed is the path that is forwarded', async (t) => {
  const { base, received } = await gatewayBefore(t)
  await fetch(`${base}//api//v1/%75sers?a=//b`)
  t.match(received, [{ service: 'query-api', url: '/api/v1/users?a=//b' }])
})

t.test('the gateway refuses a body over the limit', async (t) => {
  const { base, received } = await gatewayBefore(t)
  const response = await fetch(`${base}/api/v1/auth/register`, { method: 'POST', body: 'x'.repeat(1_000_000) })
  t.match([response.status, await response.json()], [413, { code: 'body-too-large' }])
  t.equal(received.length, 0)
})

t.test('an unavailable service is answered with 503 and Retry-After; the other service is not affected', async (t) => {
  const { base } = await gatewayBefore(t, { 'query-api': `http://127.0.0.1:${await freePort()}` })
  const response = await fetch(`${base}/api/v1/users`)
  const { status } = response
  const headers = Object.fromEntries(response.headers)
  const body = await response.text()
  t.match([status, headers['retry-after']], [503, '1'])
  t.match(JSON.parse(body), { code: 'upstream-unavailable', detail: 'query-api is not responding' })
  t.equal(descriptionOf('api')({ method: 'GET', path: '/api/v1/users', status, headers, body }), undefined)
  t.equal((await fetch(`${base}/api/v1/auth/login`, { method: 'POST' })).status, 418)
})

t.test('a 503 of a service is forwarded and not retried', async (t) => {
  const { base, received } = await gatewayBefore(t)
  t.equal((await fetch(`${base}/api/v1/users?status=503`)).status, 503)
  t.equal(received.length, 1)
})

t.test('/healthz is 200 when all services are ready, otherwise it shows the response of each', async (t) => {
  const { base, readiness } = await gatewayBefore(t)
  const health = async () => {
    const response = await fetch(`${base}/healthz`)
    return [response.status, await response.json()]
  }
  t.strictSame(await health(), [200, { status: 'ok' }])
  readiness.projector = { status: 'degraded', checks: { smtp: 'down' } }
  t.match(await health(), [503, { status: 'unready', services: { projector: { checks: { smtp: 'down' } } } }])
  readiness['query-api'] = undefined
  t.match(await health(), [
    503,
    { services: { 'query-api': { status: 'unavailable' }, 'command-api': { status: 'ready' } } },
  ])
})

t.test('/docs is the API reference, which loads nothing from other origins', async (t) => {
  const { base, received } = await gatewayBefore(t)
  const page = await fetch(`${base}/docs`)
  t.match([page.status, page.headers.get('content-type')], [200, /^text\/html/])
  t.match(page.headers.get('content-security-policy'), /default-src 'none'; script-src 'self';/)
  const html = (await page.text()).replace(/<!--.*?-->/s, '')
  t.notMatch(html, /https?:/)
  const parts = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path = '']) => path)
  t.ok(parts.includes('/docs/scalar.js'))
  for (const path of parts) t.equal((await fetch(base + path)).status, 200, path)
  t.match(await (await fetch(`${base}/docs/openapi.json`)).json(), { openapi: /^3\.1\./ })
  t.equal(received.length, 0)
})

t.test('/ leads to the API reference, and nothing else does', async (t) => {
  const { base, received } = await gatewayBefore(t)
  const ask = (method: string, path: string) => fetch(base + path, { method, redirect: 'manual' })
  for (const method of ['GET', 'HEAD']) {
    const { status, headers } = await ask(method, '/')
    t.match([status, headers.get('location')], [302, '/docs'], method)
  }
  t.equal(received.length, 0)
  for (const [method, path] of [
    ['POST', '/'],
    ['GET', '//'],
    ['GET', '/x'],
  ] as const)
    t.equal((await ask(method, path)).status, 418, `${method} ${path}`)
})

t.test('the API reference can be copied into a directory', async (t) => {
  const directory = t.testdir()
  await copyReference(directory)
  t.strictSame(readdirSync(directory).sort(), [
    'index.html',
    'openapi.json',
    'problems.html',
    'scalar.js',
    'start.js',
    'style.css',
  ])
})

type Received = {
  service: string
  method: string | undefined
  url: string | undefined
  headers: IncomingHttpHeaders
  body: string
}
type Teardown = { teardown: (cleanUp: () => unknown) => unknown }

/** A gateway in front of three services that answer 418, or the status in the query string. */
async function gatewayBefore(t: Teardown, replaced: Partial<ServiceUrls> = {}, console?: string) {
  const received: Received[] = []
  const ready = { status: 'ready' }
  const readiness: Record<string, object | undefined> = { 'command-api': ready, 'query-api': ready, projector: ready }
  const start = async (service: string) => {
    const server = createServer(async (request, response) => {
      const { method, url = '', headers } = request
      if (url === '/readyz') {
        if (readiness[service]) response.end(JSON.stringify(readiness[service]))
        else response.destroy()
        return
      }
      received.push({ service, method, url, headers, body: await text(request) })
      const status = Number(new URL(url, 'http://x').searchParams.get('status') ?? 418)
      response.writeHead(status, { etag: '"7"', location: '/somewhere', 'retry-after': '0' })
      response.end(`${service} says ${method}`)
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    t.teardown(() => server.close())
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const services: ServiceUrls = {
    'command-api': await start('command-api'),
    'query-api': await start('query-api'),
    projector: await start('projector'),
    ...replaced,
  }
  const gateway = buildGateway(services, createLogger('gateway', 'silent'), console)
  const base = await gateway.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => gateway.close())
  return { base, received, readiness, close: () => gateway.close() }
}
