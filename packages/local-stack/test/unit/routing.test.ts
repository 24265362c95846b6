import t from 'tap'
import { normalisePath, upstreamFor } from '../../src/gateway/routing.ts'
import { routingCases, unusualPaths } from '../../src/testing/routing-cases.ts'

t.test('query-api reads users, command-api answers everything else', async (t) => {
  for (const [method, path, upstream] of routingCases) t.equal(upstreamFor(method, path), upstream, `${method} ${path}`)
})

t.test('a path is routed in normal form, however it is written', async (t) => {
  for (const [path, normal, upstream] of unusualPaths) {
    t.equal(normalisePath(path), normal, path)
    t.equal(normalisePath(normal), normal, `${normal} stays as it is`)
    t.equal(upstreamFor('GET', path), upstream, path)
  }
})
