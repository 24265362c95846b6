import { userDirectoryIndexes, wordsOf } from '@cqrs/contracts'
import t from 'tap'
import { project } from '../../src/projections/projection.ts'
import { userDirectory } from '../../src/projections/user-directory.ts'
import { created, updated, userId } from '../fixtures/user-events.ts'

t.test('an entry has the words of the name, and nothing that only tokens need', async (t) => {
  const event = created(1, { name: 'Jean-Luc  PICARD jr.', updatedAt: '2026-11-23T09:30:00.000Z' })
  t.match(project(userDirectory, event), {
    _id: userId(1),
    updatedAt: new Date('2026-11-23T09:30:00.000Z'),
    words: ['jean', 'luc', 'picard', 'jr'],
    version: 1,
  })
  t.notOk('tokensFromVersion' in project(userDirectory, event))
  t.match(userDirectory, { name: 'user_directory_v1', indexes: userDirectoryIndexes })
})

t.test('words are of letters and digits of every script, each once', async (t) => {
  for (const [text, words] of [
    ['Zoë ZOË zoë', ['zoë']],
    ['Ngũgĩ wa Thiong’o', ['ngũgĩ', 'wa', 'thiong', 'o']],
    ['山田 太郎', ['山田', '太郎']],
    ['हिन्दी', ['हिन्दी']],
    ['R2-D2', ['r2', 'd2']],
    ['*', []],
  ] as const)
    t.strictSame(wordsOf(text), words, text)
})

t.test('the comparison finds an entry whose words are not those of its name', async (t) => {
  const entry = project(userDirectory, updated(1, 2, { name: 'Ada' }))
  t.match(userDirectory.shows.of(entry), { name: 'Ada', roles: ['buyer'] })
  t.match(userDirectory.shows.of({ ...entry, words: [] } as never), { name: null })
  t.match(userDirectory.shows.of({ ...entry, name: undefined } as never), { name: null })
  t.match(userDirectory.shows.of({ ...entry, isBuyer: false } as never), { roles: null })
})
