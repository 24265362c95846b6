import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const histories = fileURLToPath(new URL('histories/', import.meta.url))
const good = 'address-moves-unseen.ndjson'
const lostUpdate = join(histories, 'bad/order.lost-update.ndjson')

const run = (...files: string[]) =>
  new Promise<{ code: number; output: string }>((resolve) => {
    const program = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
    execFile(process.execPath, [program, ...files], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr }),
    )
  })

t.test('a history without a violation ends with 0', async (t) => {
  const { code, output } = await run(join(histories, 'good', good))
  t.equal(code, 0)
  t.match(output, /^operation +ok +failed +unknown$/m)
  t.match(output, /^register +2 +0 +0$/m)
  t.match(output, '0 violations, 0 not decided')
})

t.test('a violation is explained by the lines that show it, and ends with 1', async (t) => {
  const { code, output } = await run(join(histories, 'good', good), lostUpdate)
  t.equal(code, 1)
  t.match(output, 'order: u1 was at version 3 before the state 4 began, which answered version 2')
  t.match(output, /^ {2}lines 6 and 7, client b: change u1 \(Cleo, buyer\) .* u1 at version 3/m)
  t.match(output, /^ {2}lines 8 and 9, client c: state u1 .* u1 at version 2/m)
})

t.test('a file that cannot be judged ends with 2', async (t) => {
  t.match(await run(fileURLToPath(import.meta.url), lostUpdate), { code: 2, output: 'Line 1 is not JSON.' })
  t.match(await run('/no/such/file'), { code: 2, output: 'ENOENT' })
  t.match(await run(), { code: 2, output: 'usage: node packages/checker/dist/cli.js FILE…' })
})
