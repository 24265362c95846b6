import { check, readHistory } from '@cqrs/checker'
import t from 'tap'
import { shrink } from '../../consistency/planted/shrink.ts'

const textOf = (lines: object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('')
const rulesOf = async (text: string) => check(await readHistory([text])).violations.map(({ rule }) => rule)

/** Users who are registered and changed, one after the other, each change seen by a list with its token. */
function ordinary(users: number) {
  let at = 0
  let op = 0
  const lines: object[] = [{ event: 'start', revokedQuery: 40_000_000 }]
  const ask = (client: string, kind: string, request: object, answer: object) => {
    lines.push({ event: 'invoke', at: ++at, op: ++op, client, kind, ...request })
    lines.push({ event: 'ok', at: ++at, op, ...answer })
  }
  const shown = (user: number, version: number) => ({
    ...{ id: `user ${user}`, version, email: `someone-${user}@example.com`, name: `Name ${user} ${version}` },
    ...{ roles: ['buyer'], isActive: true, more: `digest ${user} ${version}` },
  })
  for (let user = 1; user <= users; user++) {
    const { email } = shown(user, 1)
    for (const version of [1, 2, 3]) {
      const { name, roles } = shown(user, version)
      const token = `token ${user} ${version}`
      const one = { shown: [shown(user, version)] }
      if (version === 1) ask('a', 'register', { email, name, roles }, { ...one, token })
      else ask('a', 'change', { user: `user ${user}`, name, roles }, { ...one, token })
      const all = Array.from({ length: user }, (_, i) => shown(i + 1, i + 1 === user ? version : 3))
      ask('b', 'list', { sent: [token] }, { shown: all, complete: true, token: `list ${user} ${version}` })
    }
  }
  return { lines, ask, shown }
}

t.test('what is left of a history shows the violation and nothing else', async (t) => {
  const { lines, ask, shown } = ordinary(20)
  const all = Array.from({ length: 20 }, (_, i) => shown(i + 1, i === 10 ? 2 : 3))
  ask('c', 'list', { sent: ['list 20 3'] }, { shown: all, complete: true })
  t.strictSame(await rulesOf(textOf(lines)), ['monotonic-reads'])

  const small = await shrink(textOf(lines), 'monotonic-reads', 'A list goes back.')
  t.strictSame(await rulesOf(small), ['monotonic-reads'])
  const left = small.trim().split('\n')
  t.ok(left.length < 12, `${lines.length} lines became ${left.length}`)
  t.equal(left[0], '{"event": "start", "note": "A list goes back."}')
  t.notMatch(small, /example.com|digest|Name|user 11/, 'everything has a short name')
})

t.test('violations of other rules are dropped', async (t) => {
  const { lines, ask, shown } = ordinary(5)
  ask('c', 'change', { user: 'user 1', name: 'Other', roles: ['buyer'] }, { shown: [shown(1, 3)] })
  ask(
    'c',
    'change',
    { user: 'user 2', ifMatch: 3, name: 'Two', roles: ['buyer'] },
    { shown: [{ id: 'user 2', version: 5 }] },
  )
  const rules = new Set(await rulesOf(textOf(lines)))
  t.ok(rules.has('if-match') && rules.size > 1, [...rules].join())

  t.strictSame(await rulesOf(await shrink(textOf(lines), 'if-match', '')), ['if-match'])
})

t.test('times and bounds stay where they matter', async (t) => {
  const { lines, ask } = ordinary(3)
  const [access, refresh] = ['access', 'refresh']
  ask('a', 'login', { email: 'someone-1@example.com' }, { user: 'user 1', version: 3, access, refresh })
  ask('a', 'logout-all', { user: 'user 1', access }, { version: 4 })
  const late = { client: 'a', kind: 'list', access }
  lines.push(
    { event: 'invoke', at: 50_000_000, op: 1_000, ...late },
    { event: 'ok', at: 50_000_001, op: 1_000, shown: [] },
  )

  const small = await shrink(textOf(lines), 'revoked', '')
  t.strictSame(await rulesOf(small), ['revoked'])
  t.match(small, '"revokedQuery": 40000000')
  t.match(small, '"at": 50000000')
})

t.test('a history that does not violate the rule cannot be shrunk', async (t) => {
  await t.rejects(shrink(textOf(ordinary(2).lines), 'order', ''), { message: 'no violation of order is left alone' })
})
