import t from 'tap'
import { eventually } from '../../src/eventually.ts'

t.test('returns the first result that is neither an error nor false', async (t) => {
  let tries = 0
  const answer = await eventually(() => {
    tries++
    if (tries === 1) throw new Error('not yet')
    return tries === 2 ? false : tries
  })
  t.equal(answer, 3)
})

t.test('fails with the last failure after the timeout', async (t) => {
  const refusal = new Error('still 1 of 2')
  const attempt = eventually(
    () => {
      throw refusal
    },
    { timeoutMs: 50 },
  )
  await t.rejects(attempt, { message: 'gave up after 50 ms: still 1 of 2', cause: refusal })
  await t.rejects(
    eventually(() => false, { timeoutMs: 50 }),
    { message: /still false/ },
  )
})

t.test('does not wait for an attempt that never settles', async (t) => {
  await t.rejects(
    eventually(() => new Promise(() => {}), { timeoutMs: 50 }),
    { message: /did not settle/ },
  )
})
