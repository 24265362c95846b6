import t from 'tap'
import { findMongod, mongodSources } from '../../src/mongo/find-mongod.ts'
import type { Mongod, MongodSource } from '../../src/mongo/mongod.ts'

const source = (name: string, has: boolean, asked: string[]): MongodSource => ({
  name,
  find: async () => {
    asked.push(name)
    if (!has) throw new Error(`${name} has none`)
    return { command: name, args: [], env: {}, description: name } satisfies Mongod
  },
})

t.test('the sources are in order of preference', async (t) => {
  t.strictSame(
    mongodSources.map(({ name }) => name),
    ['mongod on PATH', 'downloaded before', 'official download', 'Windows build under wine'],
  )
})

t.test('the first source that has a server is used, and later ones are not asked', async (t) => {
  for (const [chosen, name] of ['first', 'second', 'third'].entries()) {
    const asked: string[] = []
    const sources = ['first', 'second', 'third'].map((name, place) => source(name, place >= chosen, asked))
    t.equal((await findMongod(() => {}, sources)).command, name)
    t.strictSame(asked, ['first', 'second', 'third'].slice(0, chosen + 1))
  }
})

t.test('without a server, one line says what to do and why each source has none', async (t) => {
  const sources = ['first', 'second'].map((name) => source(name, false, []))
  const error = await findMongod(() => {}, sources).catch((error: Error) => error.message)
  t.match(error, /Install MongoDB .* or set MONGODB_URI and MONGODB_READ_URI/)
  t.match(error, /first: first has none; second: second has none/)
  t.notMatch(error, /\n/)
})
