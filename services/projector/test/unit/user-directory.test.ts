import { userDirectoryIndexes, wordsOf } from '@cqrs/contracts'
import t from 'tap'
import { project } from '../../src/projections/projection.ts'
import { userDirectory } from '../../src/projections/user-directory.ts'
import { created, updated, userId } from '../fixtures/user-events.ts'

const { v1, v2 } = userDirectory

t.test('an entry has the words of the name, and nothing that only tokens need', async (t) => {
  const event = created(1, { name: 'Jean-Luc  PICARD jr.', updatedAt: '2026-11-23T09:30:00.000Z' })
  const entry = project(v1, event)
  t.match(entry, {
    _id: userId(1),
    updatedAt: new Date('2026-11-23T09:30:00.000Z'),
    words: ['jean', 'luc', 'picard', 'jr'],
    version: 1,
  })
  t.notOk('tokensFromVersion' in entry)
  t.match(v1, { name: 'user_directory_v1', indexes: userDirectoryIndexes })
  t.match(v2, { name: 'user_directory_v2', indexes: userDirectoryIndexes })
})

t.test('since shape 2, it has those of the e-mail address as well, and no accents', async (t) => {
  const event = created(1, { name: 'Zoë O’Neil', email: 'zoe.oneil@example.com' })
  t.match(project(v1, event), { words: ['zoë', 'o', 'neil'] })
  t.match(project(v2, event), { words: ['zoe', 'o', 'neil', 'oneil', 'example', 'com'] })
})

t.test('words are of letters and digits of every script, each once', async (t) => {
  for (const [text, ofShape1, ofShape2] of [
    ['Zoë ZOË zoë', ['zoë'], ['zoe']],
    ['Ngũgĩ wa Thiong’o', ['ngũgĩ', 'wa', 'thiong', 'o'], ['ngugi', 'wa', 'thiong', 'o']],
    ['山田 太郎', ['山田', '太郎'], ['山田', '太郎']],
    ['हिन्दी', ['हिन्दी'], ['हिन्दी']],
    ['Чайковский', ['чайковский'], ['чайковский']],
    ['R2-D2', ['r2', 'd2'], ['r2', 'd2']],
    ['*', [], []],
  ] as const) {
    t.strictSame(wordsOf(text, 1), ofShape1, text)
    t.strictSame(wordsOf(text, 2), ofShape2, text)
  }
})

t.test('the comparison finds an entry whose words are not those of its shape', async (t) => {
  for (const { projection, other } of [
    { projection: v1, other: v2 },
    { projection: v2, other: v1 },
  ]) {
    const { of } = projection.shows
    const event = updated(1, 2, { name: 'Ada' })
    const entry = project(projection, event)
    t.match(of(entry), { name: 'Ada', roles: ['buyer'] })
    t.match(of(project(other, event)), { name: null })
    t.match(of({ ...entry, words: undefined } as never), { name: null })
    t.match(of({ ...entry, name: undefined } as never), { name: null })
    t.match(of({ ...entry, isBuyer: false } as never), { roles: null })
  }
})
