import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyFiles, publicJwk } from '@cqrs/service-kit'
import t from 'tap'
import { addNextKey, pruneKeys, switchToNextKey } from '../../src/programs/key-rotation.ts'

const start = new Date('2026-11-23T09:00:00.000Z')
const later = (minutes: number) => new Date(start.getTime() + minutes * 60_000)

t.test('a rotation publishes the next key, then uses it, then removes the previous one', async (t) => {
  const files = await generateKeyFiles(t.testdir())
  const kid = async () => publicJwk(await readFile(files.signingKeyFile, 'utf8')).kid
  const published = async () =>
    (JSON.parse(await readFile(files.jwksFile, 'utf8')).keys as { kid: string }[]).map(({ kid }) => kid)

  const former = await kid()
  const next = await addNextKey(files)
  t.equal(await addNextKey(files), next, 'a second time creates no other')
  t.equal(await kid(), former)
  t.strictSame(await published(), [next, former])

  await switchToNextKey(files, start)
  t.equal(await kid(), next)
  t.equal((await stat(files.signingKeyFile)).mode & 0o777, 0o600)
  t.strictSame(await published(), [next, former])
  await t.rejects(switchToNextKey(files, start), { message: /no next key/ })

  t.strictSame(await pruneKeys(files, later(60)), [])
  t.strictSame(await published(), [next, former], 'a token can live for an hour')
  t.strictSame(await pruneKeys(files, later(66)), [former])
  t.strictSame(await published(), [next])
  t.strictSame(await pruneKeys(files, later(9_999)), [], 'the signing key stays')
})

t.test('a key that an interrupted step left is kept as long as a key that was just replaced', async (t) => {
  const dir = t.testdir()
  const files = await generateKeyFiles(join(dir, 'one'))
  const other = await generateKeyFiles(join(dir, 'other'))
  const left = publicJwk(await readFile(other.signingKeyFile, 'utf8'))
  const { keys } = JSON.parse(await readFile(files.jwksFile, 'utf8'))
  await writeFile(files.jwksFile, JSON.stringify({ keys: [...keys, left] }))
  t.strictSame(await pruneKeys(files, start), [])
  t.strictSame(await pruneKeys(files, later(66)), [left.kid])
})
