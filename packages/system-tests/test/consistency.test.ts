import { join } from 'node:path'
import { freshDirectory, Network } from '@cqrs/local-stack/testing'
import t, { type Test } from 'tap'
import { type Judged, recordHistory } from '../consistency/history.ts'
import { type Nemesis, nemeses } from '../consistency/nemeses.ts'
import { startConsistencyWorld } from '../consistency/world.ts'

// A short run of `npm run test:consistency`.
t.setTimeout(400_000)

const named = (...names: string[]): Nemesis[] =>
  names.map((name) => nemeses.find((nemesis) => nemesis.name === name) as Nemesis)

function isWell(t: Test, { wrong, notDecided, faults, samples }: Judged, striking: Nemesis[]) {
  t.strictSame(wrong, [])
  t.equal(notDecided, 0)
  t.strictSame(
    faults.filter(({ effect }) => effect === ''),
    [],
  )
  for (const { name } of striking)
    t.ok(
      faults.some(({ nemesis }) => nemesis === name),
      `${name} struck`,
    )
  for (const kind of ['register', 'change', 'get', 'list', 'search', 'by-role', 'directory', 'state'])
    t.ok(
      samples.some((sample) => sample.kind === kind && sample.outcome === 'ok'),
      `a ${kind} was answered`,
    )
}

t.test('what contended clients are told is right, while processes are killed and read models change', async (t) => {
  const directory = await freshDirectory(t)
  const world = await startConsistencyWorld({ onHosts: false, seed: 1 }, (cleanUp) => t.teardown(cleanUp))
  const rounds = [named('kill -9', 'a change of shape'), named('a full store', 'a rebuild')]
  for (const [seed, striking] of rounds.entries()) {
    const options = { seed, seconds: 12, file: join(directory, `${seed}.ndjson`), striking }
    isWell(t, await recordHistory(world, options), striking)
  }
})

t.test('also on clusters whose network is cut', { skip: Network.notPossible() }, async (t) => {
  const directory = await freshDirectory(t)
  const world = await startConsistencyWorld({ onHosts: true, seed: 1 }, (cleanUp) => t.teardown(cleanUp))
  const striking = named('cut: a service from its database', 'a secondary far behind')
  const options = { seed: 3, seconds: 12, file: join(directory, '3.ndjson'), striking }
  isWell(t, await recordHistory(world, options), striking)
})
