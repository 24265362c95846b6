import fc from 'fast-check'
import t from 'tap'
import { Operation } from '../src/history.ts'
import { type Item, type Model, search } from '../src/search.ts'

type Step = Item & { writes: boolean; value: number }

/** A register that begins with 0: a write replaces the value, a read sees it. */
const register: Model<{ value: number }, Step> = {
  initial: { value: 0 },
  next: (state, { writes, value }) => (writes ? { value } : value === state.value ? state : undefined),
  keyOf: ({ value }) => `${value}`,
  effectOf: ({ writes, value }) => `${writes} ${value}`,
}

const steps = (max: number, writes: fc.Arbitrary<boolean>) =>
  fc.array(
    fc
      .record({ begin: fc.nat(12), length: fc.nat(6), writes, value: fc.nat(2) })
      .map(({ begin, length, ...step }): Step => ({ ...step, begin, end: begin + length, operation })),
    { maxLength: max },
  )
const operation = new Operation(1, 'a', 'state', 0, 1)

t.test('the search finds an order exactly if one of all orders explains the history', async (t) => {
  const counts = { found: 0, refuted: 0 }
  const agrees = fc.property(steps(5, fc.boolean()), steps(2, fc.constant(true)), (certain, lost) => {
    const possible = lost.map((step) => ({ ...step, end: Number.POSITIVE_INFINITY }))
    const { isFound } = search(register, certain, possible, 10_000)
    counts[isFound ? 'found' : 'refuted']++
    return isFound === hasOrder(register.initial, certain, possible)
  })
  fc.assert(agrees, { numRuns: 3_000 })
  t.ok(counts.found > 300 && counts.refuted > 300, 'both are frequent', counts)
})

/** Tries everything. */
function hasOrder(state: { value: number }, certain: Step[], possible: Step[]): boolean {
  if (certain.length === 0) return true
  const isNext = ({ begin }: Step) => certain.every(({ end }) => end >= begin)
  const without = (steps: Step[], step: Step) => steps.filter((other) => other !== step)
  const leadsOn = (step: Step): boolean => {
    const next = isNext(step) ? register.next(state, step) : undefined
    return next !== undefined && hasOrder(next, without(certain, step), without(possible, step))
  }
  return certain.some(leadsOn) || possible.some(leadsOn)
}
