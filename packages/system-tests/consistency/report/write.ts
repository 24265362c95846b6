import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findings } from '../findings.ts'
import { type PlantedBug, pageOf } from './page.ts'
import { latencyPicture, operationsPicture } from './pictures.ts'
import { appendRecord, type Run, readRecords, recordOf } from './records.ts'

const repositoryDocs = fileURLToPath(new URL('../../../../docs/', import.meta.url))

/** Adds a judged history to the report, draws it if it has faults, and writes the page. */
export async function addToReport(run: Run, docs = repositoryDocs): Promise<void> {
  await mkdir(join(docs, 'consistency'), { recursive: true })
  await mkdir(join(docs, 'images'), { recursive: true })
  await appendRecord(recordsIn(docs), recordOf(run))
  if (run.faults.length > 0) {
    await writeFile(join(docs, 'images/consistency-operations.svg'), operationsPicture(run))
    await writeFile(join(docs, 'images/consistency-latency.svg'), latencyPicture(run))
  }
  await writeFile(join(docs, 'consistency.md'), await currentPage(docs))
}

/** docs/consistency.md, from the records, the planted bugs and the findings as they are now. */
export async function currentPage(docs = repositoryDocs): Promise<string> {
  const records = await readRecords(recordsIn(docs))
  return pageOf({ records, findings, planted: await readPlanted(join(docs, 'consistency/planted.json')) })
}

const recordsIn = (docs: string): string => join(docs, 'consistency/histories.ndjson')

async function readPlanted(file: string): Promise<PlantedBug[] | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : JSON.parse(text)
}
