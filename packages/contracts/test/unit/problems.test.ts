import t from 'tap'
import Value from 'typebox/value'
import { Problem, type ProblemCode, problem, problems, Refusal } from '../../src/index.ts'

for (const [code, [status, title]] of Object.entries(problems)) {
  t.test(code, async (t) => {
    t.match(code, /^[a-z]+(-[a-z]+)*$/, 'the code is kebab-case')
    t.ok(Number.isInteger(status) && status >= 400 && status <= 599, 'its status is 4xx or 5xx')
    t.match(title, /^[A-Z].*\.$/, 'its title is a sentence')
    const document = problem(code as ProblemCode)
    t.strictSame(document, { type: `/docs/problems.html#${code}`, title, status, code })
    t.ok(Value.Check(Problem, document))
  })
}

t.test('a problem can carry details of this occurrence', async (t) => {
  const errors = [{ pointer: '#/body/email', detail: 'is missing' }]
  t.match(problem('validation-failed', { errors }), { code: 'validation-failed', errors })
  t.match(problem('not-allowed', { detail: 'Not today.' }), { title: problems['not-allowed'][1], detail: 'Not today.' })
})

t.test('a refusal carries its code and its title, or the detail that it was given', async (t) => {
  t.match(new Refusal('user-not-found'), { code: 'user-not-found', message: 'The user does not exist.' })
  t.match(new Refusal('overloaded', { retryAfterSeconds: 3 }), { code: 'overloaded', retryAfterSeconds: 3 })
  t.match(new Refusal('not-allowed', { detail: 'Not today.' }), { message: 'Not today.', detail: 'Not today.' })
})
