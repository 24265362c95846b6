import { routingCases, unusualPaths } from '@cqrs/local-stack/testing'
import t from 'tap'
import { backendFor } from '../kubernetes/http-route.ts'
import { ofKind, overlays } from '../kubernetes/overlays.ts'

for (const [overlay, objects] of overlays) {
  const [route, ...others] = ofKind(objects, 'HTTPRoute')

  t.test(`${overlay}: requests go where the local gateway sends them`, async (t) => {
    t.strictSame(others, [])
    for (const [method, path, upstream] of routingCases) {
      t.equal(backendFor(route?.spec, method, path), upstream, `${method} ${path}`)
    }
  })

  // Normalising paths is the gateway's: Envoy and most others do it before they look at the route.
  t.test(`${overlay}: a path goes where the service will read it, however it is written`, async (t) => {
    for (const [path, normal, upstream] of unusualPaths) t.equal(backendFor(route?.spec, 'GET', normal), upstream, path)
  })

  t.test(`${overlay}: the route hangs on the gateway`, async (t) => {
    const [gateway] = ofKind(objects, 'Gateway')
    t.strictSame(route?.spec.parentRefs, [{ name: gateway?.metadata.name }])
    for (const hostname of route?.spec.hostnames ?? []) {
      t.ok(
        gateway?.spec.listeners.some((listener: any) => listener.hostname === hostname),
        hostname,
      )
    }
  })
}
