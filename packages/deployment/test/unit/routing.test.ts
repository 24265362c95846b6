import { routingCases, unusualPaths } from '@cqrs/local-stack/testing'
import t from 'tap'
import { backendFor } from '../kubernetes/http-route.ts'
import { ofKind, overlays } from '../kubernetes/overlays.ts'

for (const [overlay, objects] of overlays) {
  const [route, ...others] = ofKind(objects, 'HTTPRoute')

  t.test(`${overlay}: requests are routed as by the local gateway`, async (t) => {
    t.strictSame(others, [])
    for (const [method, path, upstream] of routingCases) {
      t.equal(backendFor(route?.spec, method, path), upstream, `${method} ${path}`)
    }
  })

  // Envoy and most other gateways normalise a path before they match routes.
  t.test(`${overlay}: a path is routed by the form in which the service reads it`, async (t) => {
    for (const [path, normal, upstream] of unusualPaths) t.equal(backendFor(route?.spec, 'GET', normal), upstream, path)
  })

  t.test(`${overlay}: the route is attached to the gateway`, async (t) => {
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
