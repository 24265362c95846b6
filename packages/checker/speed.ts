import { simulate } from './simulation/service.ts'
import { check, readHistory, wordsOf } from './src/index.ts'

/**
 * `node packages/checker/speed.ts [OPERATIONS]` judges a history of a simulated, correct service and prints how long
 * that took: 1,000,000 operations of 16 clients on 50 shared users and a stream of new ones, unless told otherwise.
 */
const operations = Number(process.argv[2] ?? 1_000_000)
const pieces: string[] = []
let piece = ''
let bytes = 0
simulate({ seed: 1, operations, clients: 16, users: 50, unknown: 0.01, queries: 0.7 }, (line) => {
  piece += `${JSON.stringify(line)}\n`
  if (piece.length < 2 ** 16) return
  pieces.push(piece)
  bytes += piece.length
  piece = ''
})
pieces.push(piece)
const before = performance.now()
const history = await readHistory(pieces)
const read = performance.now()
const report = check(history)
const judged = performance.now()
for (const line of wordsOf(history, report)) console.log(line)
const seconds = (from: number, to: number) => `${((to - from) / 1_000).toFixed(1)} s`
const megabytes = (count: number) => `${Math.round(count / 2 ** 20)} MB`
console.log(`history of ${megabytes(bytes)} read in ${seconds(before, read)}, judged in ${seconds(read, judged)}`)
console.log(`${Math.round((history.operations.length / (judged - before)) * 1_000)} operations a second`)
console.log(`at most ${megabytes(process.resourceUsage().maxRSS * 1_024)} of memory, the history's text among it`)
