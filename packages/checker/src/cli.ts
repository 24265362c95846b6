import { createReadStream } from 'node:fs'
import { check } from './check.ts'
import { Malformed, readHistory } from './read-history.ts'
import { wordsOf } from './report.ts'

/**
 * `node packages/checker/dist/cli.js FILE…` judges histories. It exits with 0 if it finds no violation, 1 if it finds
 * one, 2 if a file cannot be read or is malformed.
 */
const files = process.argv.slice(2)
process.exitCode = files.length > 0 ? 0 : 2
if (files.length === 0) console.error('usage: node packages/checker/dist/cli.js FILE…')
for (const file of files) {
  try {
    const history = await readHistory(createReadStream(file, 'utf8'))
    const report = check(history)
    console.log(file)
    for (const line of wordsOf(history, report)) console.log(line)
    if (report.violations.length > 0) process.exitCode = Math.max(1, Number(process.exitCode))
  } catch (error) {
    if (!(error instanceof Malformed) && !(error as NodeJS.ErrnoException).code) throw error
    console.error(`${file}: ${(error as Error).message}`)
    process.exitCode = 2
  }
}
