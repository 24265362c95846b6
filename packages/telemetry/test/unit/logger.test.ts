import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { maskEmail } from '../../src/index.ts'

t.test('a masked address shows the mail host, not the person', async (t) => {
  t.equal(maskEmail('jane.doe@example.com'), 'j***@example.com')
  t.equal(maskEmail('j@example.com'), 'j***@example.com')
})

// The process's own output is what an operator gets to see.
const program = fileURLToPath(new URL('../fixtures/log-errors.ts', import.meta.url))
const { stdout } = await promisify(execFile)(process.execPath, [program])
const lines = stdout
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
const said = (name: string) => lines.filter((line) => line.case === name || line.err?.type === name)

t.test('a line is JSON with the level as a word, the time in RFC 3339, and the service', async (t) => {
  t.match(lines[0], {
    level: 'info',
    time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
    service: 'a-service',
    msg: 'hello',
  })
  t.notOk(
    lines.some(({ level }) => level === 'debug'),
    'lines below the level are dropped',
  )
})

t.test('the code of a MongoDB server error is logged, its message never', async (t) => {
  t.notMatch(stdout, /jane|E11000/)
  t.match(said('with text'), [{ msg: 'failed', err: { type: 'MongoServerError', code: 11000 } }])
  t.match(said('without text'), [{ msg: 'MongoServerError', err: { code: 11000 } }])
  t.equal(said('MongoServerError').length, 4, 'also where it is logged as it is, and from a bulk write')
  t.match(said('as a cause'), [{ err: { message: 'saving failed', cause: { type: 'MongoServerError', code: 11000 } } }])
  t.match(said('among others'), [{ err: { errors: [{ code: 11000 }, { message: 'second' }] } }])
})

t.test('other errors are logged with message, code and stack', async (t) => {
  t.match(said('other'), [
    { msg: 'out of reach', err: { type: 'Error', message: 'out of reach', code: 'EHOST', stack: /log-errors/ } },
  ])
  t.match(said('thrown text'), [{ err: 'just text' }])
})

t.test('a busy process that exits loses no log line, and keeps their order', async (t) => {
  const program = fileURLToPath(new URL('../fixtures/log-and-exit.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [program])
  const order = stdout.split('\n').flatMap((line) => (line ? [JSON.parse(line).line] : []))
  t.strictSame(
    order,
    Array.from({ length: 20 }, (_, n) => n + 1),
  )
})
