import { fileURLToPath } from 'node:url'
import type { HttpServer } from '@cqrs/service-kit'
import httpProxy from '@fastify/http-proxy'
import fastifyStatic from '@fastify/static'

/** Files of this origin only: no inline script or style, and nobody may frame the page. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Libraries of the page, by their names below /console/vendor/. */
const vendor: Record<string, string> = {
  'htm.js': 'htm',
  'preact.js': 'preact',
  'uplot.js': 'uplot/dist/uPlot.esm.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
}

/**
 * Serves the console at /console. The page holds no data: it asks the HTTP API with the token of who logs in, and the
 * public API below the same address.
 * @param apiUrl where requests below /api are forwarded to; else a gateway in front of this process answers them
 */
export function answerConsole(app: HttpServer, apiUrl: string | undefined): void {
  if (apiUrl) app.register(httpProxy, { upstream: apiUrl, prefix: '/api', rewritePrefix: '/api' })
  const headers = { 'content-security-policy': policy, 'cache-control': 'no-cache' }
  app.register(fastifyStatic, {
    root: fileURLToPath(new URL('../../public', import.meta.url)),
    prefix: '/console/',
    logLevel: 'silent',
    // The server's own headers are set before.
    setHeaders: (reply) => void reply.headers(headers),
  })
  app.get('/console', { logLevel: 'silent' }, (_request, reply) => reply.redirect('/console/'))
  for (const [name, module] of Object.entries(vendor)) {
    const file = fileURLToPath(import.meta.resolve(module))
    app.get(`/console/vendor/${name}`, { logLevel: 'silent' }, (_request, reply) => reply.sendFile(file, '/'))
  }
}
