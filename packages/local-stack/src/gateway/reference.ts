import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { HttpServer } from '@cqrs/service-kit'
import fastify from 'fastify'

const docs = fileURLToPath(new URL('../../../../docs/', import.meta.url))

const file = (name: string) => () => readFile(join(docs, name), 'utf8')

/** The files of the API reference, by name below /docs/. */
const files: Record<string, () => Promise<string>> = {
  'index.html': file('reference/index.html'),
  'start.js': file('reference/start.js'),
  'style.css': file('reference/style.css'),
  'problems.html': file('reference/problems.html'),
  'openapi.json': file('openapi/api.json'),
  'scalar.js': scalarScript,
}

/** The package holds its script for browsers only as an answer of its plugin. Loaded when asked for: it is 5 MB. */
async function scalarScript(): Promise<string> {
  const { default: scalar } = await import('@scalar/fastify-api-reference')
  const app = fastify()
  await app.register(scalar, { routePrefix: '/docs', configuration: { content: { openapi: '3.1.1' } } })
  const { statusCode, body } = await app.inject('/docs/js/scalar.js')
  await app.close()
  if (statusCode !== 200) throw new Error(`@scalar/fastify-api-reference has no script: ${statusCode}`)
  return body
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
}

/** Only files of this origin, plus the inline styles and data: images of Scalar. */
export const referencePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Serves the API reference at /docs, to which / leads. */
export function answerReference(app: HttpServer): void {
  app.get('/', { logLevel: 'silent' }, async (_request, reply) => reply.redirect('/docs'))
  for (const [name, content] of Object.entries(files)) {
    const paths = name === 'index.html' ? ['/docs', '/docs/'] : [`/docs/${name}`]
    for (const path of paths) {
      app.get(path, { logLevel: 'silent' }, async (_request, reply) =>
        reply
          .headers({ 'content-security-policy': referencePolicy, 'cache-control': 'no-cache' })
          .type(types[extname(name)] ?? 'application/octet-stream')
          .send(await content()),
      )
    }
  }
}

/** Copies the files into a directory, from which any static file server can serve them below /docs/. */
export async function copyReference(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  await Promise.all(
    Object.entries(files).map(async ([name, content]) => writeFile(join(directory, name), await content())),
  )
}
