import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { HttpServer } from '@cqrs/service-kit'

const docs = fileURLToPath(new URL('../../../../docs/', import.meta.url))

/** The files of the API reference, by name below /docs/. */
const files: Record<string, string> = {
  'index.html': join(docs, 'reference/index.html'),
  'start.js': join(docs, 'reference/start.js'),
  'openapi.json': join(docs, 'openapi/api.json'),
  'swagger-ui.css': fileURLToPath(import.meta.resolve('swagger-ui-dist/swagger-ui.css')),
  'swagger-ui-bundle.js': fileURLToPath(import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js')),
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
}

/** Only files of this origin, plus the inline styles and data: images of Swagger UI. */
export const referencePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Serves the API reference at /docs, to which / leads. */
export function answerReference(app: HttpServer): void {
  app.get('/', { logLevel: 'silent' }, async (_request, reply) => reply.redirect('/docs'))
  for (const [name, file] of Object.entries(files)) {
    const paths = name === 'index.html' ? ['/docs', '/docs/'] : [`/docs/${name}`]
    for (const path of paths) {
      app.get(path, { logLevel: 'silent' }, async (_request, reply) =>
        reply
          .headers({ 'content-security-policy': referencePolicy, 'cache-control': 'no-cache' })
          .type(types[extname(file)] ?? 'application/octet-stream')
          .send(await readFile(file)),
      )
    }
  }
}

/** Copies the files into a directory, from which any static file server can serve them below /docs/. */
export async function copyReference(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  await Promise.all(Object.entries(files).map(([name, file]) => copyFile(file, join(directory, basename(name)))))
}
