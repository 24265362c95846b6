import { readFile, writeFile } from 'node:fs/promises'
import { asyncApi } from './async-api.ts'
import { httpFile } from './http-file.ts'
import { openApi } from './open-api.ts'

// `npm run openapi` writes these files from the code; `--check` only compares them, and names those that differ.
const text = (document: object): string => `${JSON.stringify(document, null, 2)}\n`
const api = await openApi()
const documents = { 'openapi/api.json': text(api), 'asyncapi.json': text(asyncApi()), 'api.http': httpFile(api) }

const isCheck = process.argv.includes('--check')
for (const [name, content] of Object.entries(documents)) {
  const file = new URL(`../../docs/${name}`, import.meta.url)
  if (!isCheck) await writeFile(file, content)
  else if ((await readFile(file, 'utf8').catch(() => '')) !== content) {
    console.error(`docs/${name} differs from what the code gives: run \`npm run openapi\``)
    process.exitCode = 1
  }
}
