import { spawnSync } from 'node:child_process'
import { createReadStream, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { simulate } from './simulation/service.ts'
import { check, readHistory, wordsOf } from './src/index.ts'

/**
 * `node packages/checker/speed.ts [OPERATIONS]` prints how long it takes to judge the history of a simulated, correct
 * service: 1,000,000 operations of 16 clients on 50 shared users and a stream of new ones, unless told otherwise.
 */
const [what = '1000000', file] = process.argv.slice(2)
if (file) await judge(file)
else {
  const folder = mkdtempSync(join(tmpdir(), 'history-'))
  try {
    const history = join(folder, 'history.ndjson')
    generate(Number(what), history)
    // In a process of its own, so that its memory is that of the checker alone.
    spawnSync(process.execPath, [fileURLToPath(import.meta.url), 'judge', history], { stdio: 'inherit' })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function generate(operations: number, file: string): void {
  const to = openSync(file, 'w')
  let lines = ''
  simulate({ seed: 1, operations, clients: 16, users: 50, unknown: 0.01, queries: 0.7 }, (line) => {
    lines += `${JSON.stringify(line)}\n`
    if (lines.length < 2 ** 16) return
    writeSync(to, lines)
    lines = ''
  })
  writeSync(to, lines)
}

async function judge(file: string): Promise<void> {
  const begin = performance.now()
  const stream = createReadStream(file, 'utf8')
  const history = await readHistory(stream)
  const read = performance.now()
  const report = check(history)
  const end = performance.now()
  for (const line of wordsOf(history, report)) console.log(line)
  const seconds = (from: number, to: number) => `${((to - from) / 1_000).toFixed(1)} s`
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  console.log(
    `${Math.round(stream.bytesRead / 1e6)} MB read in ${seconds(begin, read)}, judged in ${seconds(read, end)}`,
  )
  console.log(
    `${seconds(0, (userCPUTime + systemCPUTime) / 1_000)} of processor time, ${Math.round(maxRSS / 1_024)} MB`,
  )
  console.log(`${Math.round((history.operations.length / (end - begin)) * 1_000)} operations a second`)
}
