import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { asyncApi } from './async-api.ts'
import { merged } from './merge.ts'
import type { OpenApi, ServiceName } from './service.ts'

/**
 * `pnpm openapi` writes the descriptions below docs/ from the code; `--check` only compares, and names those that differ.
 */
const text = (document: object): string => `${JSON.stringify(document, null, 2)}\n`
const documents = await describe()
const isCheck = process.argv.includes('--check')
for (const [name, content] of Object.entries(documents)) {
  const file = new URL(`../../../docs/${name}`, import.meta.url)
  if (!isCheck) await writeFile(file, content)
  else if ((await readFile(file, 'utf8').catch(() => '')) !== content) {
    console.error(`docs/${name} is not what the code gives: run \`pnpm openapi\``)
    process.exitCode = 1
  }
}

async function describe(): Promise<Record<string, string>> {
  const [commandApi, queryApi] = await Promise.all([serviceOf('command-api'), serviceOf('query-api')])
  return {
    'openapi/command-api.json': text(commandApi),
    'openapi/query-api.json': text(queryApi),
    'openapi/api.json': text(merged([commandApi, queryApi])),
    'asyncapi.json': text(asyncApi()),
  }
}

// A process each: some of what services do when they are loaded can be done once a process only.
async function serviceOf(name: ServiceName): Promise<OpenApi> {
  const script = fileURLToPath(new URL('service.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, name], { maxBuffer: 16 * 1024 * 1024 })
  return JSON.parse(stdout)
}
