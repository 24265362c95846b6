import t from 'tap'
import { Compile } from 'typebox/compile'
import { EntityTags, ifMatchHolds, ifNoneMatchHolds } from '../../src/index.ts'

const validator = Compile(EntityTags)

t.test('If-Match compares strongly, If-None-Match weakly', async (t) => {
  for (const [tags, strongly, weakly] of [
    ['"2"', true, true],
    ['"1", "2"', true, true],
    ['"1","2","3"', true, true],
    [', "1" ,,\t"2",', true, true],
    ['*', true, true],
    ['W/"2"', false, true],
    ['"1", W/"2"', false, true],
    ['"1"', false, false],
    ['"22"', false, false],
    ['"a,b", "W/"', false, false],
    ['""', false, false],
  ] as const) {
    t.ok(validator.Check(tags), tags)
    t.equal(ifMatchHolds(tags, '"2"'), strongly, `If-Match: ${tags}`)
    t.equal(ifNoneMatchHolds(tags, '"2"'), !weakly, `If-None-Match: ${tags}`)
  }
})

t.test('an invalid list of entity tags is detected', async (t) => {
  for (const tags of [
    '',
    '2',
    '"2',
    '2"',
    'w/"2"',
    'W/2',
    '"1" "2"',
    '"1", *',
    '*, "1"',
    '**',
    '"a b"',
    "'2'",
    ',',
    '"\0"',
  ])
    t.notOk(validator.Check(tags), JSON.stringify(tags))
})
