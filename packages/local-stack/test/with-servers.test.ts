import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { isListening } from '../src/ports.ts'

t.setTimeout(120_000)

const binary = fileURLToPath(new URL('../bin/with-servers.mjs', import.meta.url))

t.test('the command gets its own server, which is removed afterwards with its data', async (t) => {
  const temporary = t.testdir()
  const { code, stdout } = await run({ TMPDIR: temporary }, 'echo $TEST_MONGODB_URI; exit 7')
  t.equal(code, 7, 'the exit code is the command’s')
  const uri = stdout.match(/mongodb:\/\/root:\w+@127\.0\.0\.1:(\d+)\/\?/)
  t.ok(uri, stdout)
  t.notOk(await isListening(Number(uri?.[1])))
  t.strictSame(await readdir(temporary), [])
})

t.test('a command that is killed counts as failed', async (t) => {
  t.equal((await run({ TEST_MONGODB_URI: 'mongodb://given' }, 'kill -TERM $$')).code, 128 + 15)
})

t.test('a running server is used', async (t) => {
  const { code, stdout } = await run({ TEST_MONGODB_URI: 'mongodb://given' }, 'echo $TEST_MONGODB_URI')
  t.match({ code, stdout }, { code: 0, stdout: 'mongodb://given\n' })
})

t.test('a missing or unknown command is reported', async (t) => {
  t.match(await run({}), { code: 2, stderr: /usage: with-servers/ })
})

/** Runs with-servers with a shell command, without the server that this test itself may have been given. */
function run(env: NodeJS.ProcessEnv, line?: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const { TEST_MONGODB_URI: _, ...rest } = process.env
  const args = line ? [binary, 'sh', '-c', line] : [binary]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...rest, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}
