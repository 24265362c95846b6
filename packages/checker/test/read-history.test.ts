import t from 'tap'
import { check, Malformed, readHistory } from '../src/index.ts'

const begin = '{"event":"invoke","at":5,"op":1,"client":"a","kind":"get","user":"u1"}'
const end = '{"event":"ok","at":6,"op":1,"shown":[{"id":"u1","version":1}],"token":"t1"}'

t.test('what is malformed is said in a sentence with the number of the line', async (t) => {
  const malformed: [string[], string][] = [
    [[], 'The history is empty.'],
    [['{"event":'], 'Line 1 is not JSON.'],
    [['[]'], 'Line 1 is not an object.'],
    [['{"event":"begin"}'], 'Line 1 has an unknown event: "begin".'],
    [['{"event":"invoke","at":1,"op":1,"client":"a"}'], 'Line 1 needs `kind`.'],
    [['{"event":"invoke","at":1,"op":1,"client":"a","kind":"gte"}'], 'Line 1 has an unknown kind: "gte".'],
    [['{"event":"invoke","at":1,"op":1,"client":"a","kind":"get"}'], 'Line 1 needs `user` to invoke get.'],
    [[begin, begin], 'Line 2 begins operation 1 again.'],
    [[begin, end, end], 'Line 3 ends operation 1, which is not in progress.'],
    [[end], 'Line 1 ends operation 1, which is not in progress.'],
    [[begin, end.replace('6', '4')], 'Line 2 goes back in time.'],
    [[begin, end.replace('"at":6,', '')], 'Line 2 needs `at`, a number of at least 0.'],
    [[begin, end.replace('shown', 'show')], 'Line 2 has an unknown field: `show`.'],
    [[begin, '{"event":"ok","at":6,"op":1}'], 'Line 2 needs `shown` in the answer to get.'],
    [[begin, end.replace('"version":1', '"version":0')], 'Line 2 needs `version` to be a whole number of at least 1.'],
    [
      [begin, end.replace('"version":1', '"version":1,"name":"Ann"')],
      'Line 2 shows a user with some of email, name, roles and isActive; needs all or none.',
    ],
    [[begin.replace('}', ',"sent":["t0"]}')], 'Line 1 sends the token t0, which no answer before it has.'],
    [[begin, '{"event":"end","at":7}', end.replace('6', '8')], 'Line 3 comes after the end.'],
    [[begin, '{"event":"start"}'], 'Line 2 has `start` after the first operation.'],
  ]
  for (const [lines, message] of malformed)
    await t.rejects(readHistory([lines.map((line) => `${line}\n`).join('')]), new Malformed(message), message)
})

t.test('lines may be cut anywhere, empty, and the last one without its end', async (t) => {
  const text = `\n${begin}\n\n${end}`
  for (const size of [1, 7, 1_000]) {
    const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) as string[]
    const { operations, users } = await readHistory(pieces)
    t.match(operations, [{ id: 1, outcome: 'ok', begin: 5, end: 6, line: 2, endLine: 4 }])
    t.strictSame(users, ['u1'])
  }
})

t.test('a search that is cut off is reported as not decided', async (t) => {
  let at = 0
  const line = (fields: object) => `${JSON.stringify({ at: ++at, ...fields })}\n`
  const invoke = (op: number, fields: object) => line({ event: 'invoke', op, client: 'a', ...fields })
  const lines = [line({ event: 'existing', ...user(1, 'Ann') })]
  // Thirty changes may have happened in any order, and none of them asked for the name that is there at the end.
  for (let op = 1; op <= 30; op++)
    lines.push(invoke(op, { kind: 'change', user: 'u1', name: `n${op}`, roles: ['buyer'] }))
  lines.push(invoke(31, { kind: 'state', user: 'u1' }), line({ event: 'ok', op: 31, shown: [user(20, 'Bea')] }))
  const history = await readHistory(lines)
  const { violations, notDecided } = check(history, { limit: 1_000 })
  t.strictSame(violations, [])
  t.match(notDecided, [{ rule: 'explained', notDecided: 'the commands of u1' }])
})

const user = (version: number, name: string) => {
  return { id: 'u1', version, email: 'ann@x', name, roles: ['buyer'], isActive: true }
}
