import { readFile, writeFile } from 'node:fs/promises'
import { asyncApi } from './async-api.ts'
import { clientTypes } from './client-types.ts'
import { httpFile } from './http-file.ts'
import { openApi } from './open-api.ts'
import { problemsPage } from './problems-page.ts'

// `npm run openapi` writes these files from the code; `--check` only compares them, and names those that differ.
const text = (document: object): string => `${JSON.stringify(document, null, 2)}\n`
const api = await openApi()
const files = {
  'docs/openapi/api.json': text(api),
  'docs/asyncapi.json': text(asyncApi()),
  'docs/api.http': httpFile(api),
  'docs/reference/problems.html': problemsPage(),
  'packages/client/src/api-types.ts': await clientTypes(api),
}

const isCheck = process.argv.includes('--check')
for (const [name, content] of Object.entries(files)) {
  const file = new URL(`../../${name}`, import.meta.url)
  if (!isCheck) await writeFile(file, content)
  else if ((await readFile(file, 'utf8').catch(() => '')) !== content) {
    console.error(`${name} differs from what the code gives: run \`npm run openapi\``)
    process.exitCode = 1
  }
}
