import t from 'tap'
import Type from 'typebox'
import { createServer, httpSettings, parseConfig } from '../../src/index.ts'
import { captureLog } from '../fixtures/capture-log.ts'

function server(...settings: Parameters<typeof createServer> extends [unknown, ...infer Rest] ? Rest : never) {
  const app = createServer(captureLog().logger, ...settings)
  t.teardown(() => app.close())
  app.get('/', () => 'hello')
  app.get('/address', (request) => request.ip)
  app.get('/kept', (_request, reply) => reply.header('cache-control', 'public, max-age=300').send('hello'))
  return app
}

t.test('every answer, including refusals, has the security headers and is not stored', async (t) => {
  for (const url of ['/', '/nothing']) {
    const { headers } = await server().inject(url)
    t.match(headers, {
      'content-security-policy': "default-src 'none';base-uri 'none';frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000; includeSubDomains',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    })
    t.notOk(headers['x-powered-by'] ?? headers['server'])
  }
  t.equal((await server().inject('/kept')).headers['cache-control'], 'public, max-age=300')
})

const fromPage = { origin: 'https://app.example.com' }
const preflight = { ...fromPage, 'access-control-request-method': 'PUT' }

t.test('by default no page of another origin can use the API', async (t) => {
  const app = server()
  t.notOk((await app.inject({ url: '/', headers: fromPage })).headers['access-control-allow-origin'])
  const asked = await app.inject({ method: 'OPTIONS', url: '/', headers: preflight })
  t.equal(asked.statusCode, 404)
  t.notOk(asked.headers['access-control-allow-origin'])
})

t.test('with CORS_ORIGINS only pages of these origins can, and never with the browser’s cookies', async (t) => {
  const app = server({ CORS_ORIGINS: 'https://app.example.com, http://localhost:3000' })
  const asked = await app.inject({ method: 'OPTIONS', url: '/', headers: preflight })
  t.equal(asked.statusCode, 204)
  t.match(asked.headers, {
    'access-control-allow-origin': 'https://app.example.com',
    'access-control-allow-methods': /PUT/,
    'access-control-allow-headers': /If-Match/,
    vary: 'Origin',
  })
  const { headers } = await app.inject({ url: '/', headers: fromPage })
  t.match(headers, {
    'access-control-allow-origin': 'https://app.example.com',
    'access-control-expose-headers': /ETag/,
    vary: 'Origin',
  })
  t.notOk(headers['access-control-allow-credentials'])
  for (const origin of ['https://app.example.com.evil.com', 'http://app.example.com', 'null'])
    t.notOk((await app.inject({ url: '/', headers: { origin } })).headers['access-control-allow-origin'], origin)
})

t.test('a client’s address is taken from X-Forwarded-For only behind a trusted proxy', async (t) => {
  const request = { url: '/address', headers: { 'x-forwarded-for': '192.0.2.9, 203.0.113.7' } }
  t.equal((await server().inject(request)).body, '127.0.0.1')
  t.equal((await server({ TRUSTED_PROXIES: '10.0.0.0/8, ::1' }).inject(request)).body, '127.0.0.1')
  t.equal((await server({ TRUSTED_PROXIES: '127.0.0.1/32' }).inject(request)).body, '203.0.113.7')
})

t.test('a list with an invalid entry is reported along with the other invalid settings', async (t) => {
  const Config = Type.Object({ ...httpSettings, PORT: Type.Integer() })
  const start = (env: object) => parseConfig(Config, { PORT: '1', ...env })
  for (const TRUSTED_PROXIES of ['true', '10.0.0.0/33', '10.0.0/8', '10.0.0.0/8/8', '::1/129', '127.0.0.1,'])
    t.throws(() => start({ TRUSTED_PROXIES }), /^invalid settings: TRUSTED_PROXIES/, TRUSTED_PROXIES)
  for (const CORS_ORIGINS of ['*', 'app.example.com', 'https://app.example.com/', 'file:///x', 'null'])
    t.throws(() => start({ CORS_ORIGINS }), /^invalid settings: CORS_ORIGINS/, CORS_ORIGINS)
  t.throws(
    () => start({ PORT: 'x', TRUSTED_PROXIES: 'true', CORS_ORIGINS: '*' }),
    /^invalid settings: (?=.*TRUSTED_PROXIES)(?=.*CORS_ORIGINS)(?=.*PORT)/,
  )
})
