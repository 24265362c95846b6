import fc from 'fast-check'
import t from 'tap'
import { type Line, type Mutation, mutations, type Options, simulate } from '../simulation/service.ts'
import { check, readHistory, wordsOf } from '../src/index.ts'

const settings = fc.record({
  seed: fc.integer(),
  clients: fc.integer({ min: 2, max: 12 }),
  users: fc.integer({ min: 2, max: 10 }),
  unknown: fc.double({ min: 0.05, max: 0.3, noNaN: true }),
  queries: fc.double({ min: 0.3, max: 0.7, noNaN: true }),
})

/** @param keeps which lines the recorder has. A token whose answer it has not is not known to it. */
async function judge(options: Options, keeps = (_: Line) => true) {
  const lines: string[] = []
  const tokens = new Set<string>()
  const planted = simulate(options, (line) => {
    if (!keeps(line)) return
    if (line.token) tokens.add(line.token)
    const sent = line.sent?.filter((token) => tokens.has(token))
    lines.push(`${JSON.stringify({ ...line, ...(sent && { sent }) })}\n`)
  })
  const history = await readHistory(lines)
  const report = check(history)
  return { ...report, planted, words: () => [...wordsOf(history, report)].join('\n') }
}

t.test('a correct service passes, whatever is lost or late', async () => {
  const passes = fc.asyncProperty(settings, async (options) => {
    const { violations, notDecided, words } = await judge({ ...options, operations: 500 })
    if (violations.length + notDecided.length > 0) throw new Error(words())
  })
  await fc.assert(passes, { numRuns: 100, endOnFailure: true })
})

t.test('a correct service passes where the recorder has missed many answers', async () => {
  const share = fc.double({ min: 0, max: 0.5, noNaN: true })
  const passes = fc.asyncProperty(settings, share, share, async (options, missed, start) => {
    const spread = ({ op = 0 }: Line) => (op * 0.618 + start) % 1
    const keeps = (line: Line) => !['ok', 'failed'].includes(line.event) || spread(line) >= missed
    const { violations, words } = await judge({ ...options, operations: 300 }, keeps)
    if (violations.length > 0) throw new Error(words())
  })
  await fc.assert(passes, { numRuns: 100, endOnFailure: true })
})

/** The rules that may find it: a user whose commands are wrong is wrong for its readers as well. */
const finders: Record<Mutation, string[]> = {
  'stale-read': ['read-your-writes', 'monotonic-reads'],
  'lost-update': ['order', 'content', 'explained', 'read-your-writes', 'deleted'],
  'applied-twice': ['explained'],
  resurrected: ['deleted', 'content'],
  'two-owners': ['email'],
  'token-ignored': ['read-your-writes'],
  'version-reused': ['content'],
  'two-contents': ['content'],
  'revoked-accepted': ['revoked'],
  'second-mail': ['mail'],
}

for (const mutation of mutations) {
  t.test(`the mutation ${mutation} is found, and nothing else`, async (t) => {
    let committed = 0
    const isFound = fc.asyncProperty(settings, async (options) => {
      const { violations, planted, words } = await judge({ ...options, operations: 1_000, mutation })
      if (planted > 0) committed++
      const rules = new Set(violations.map(({ rule }) => rule))
      const [main] = finders[mutation]
      const others = [...rules].filter((rule) => !finders[mutation].includes(rule))
      if (rules.size > 0 !== planted > 0 || others.length > 0) throw new Error(`${planted} times ${main}\n${words()}`)
    })
    await fc.assert(isFound, { numRuns: 25, endOnFailure: true })
    t.ok(committed >= 10, 'often enough', { committed })
  })
}
