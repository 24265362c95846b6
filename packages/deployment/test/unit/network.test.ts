import { writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { kustomize } from '../kubernetes/kubectl.ts'
import { connectionsOf } from '../kubernetes/network.ts'
import { type KubernetesObject, ofKind, overlays } from '../kubernetes/overlays.ts'
import { podsOf, selects } from '../kubernetes/pods.ts'

/** The picture in the README, and what monitors it. */
const expected: Record<string, string[]> = {
  local: [
    'command-api → mongodb-write:27017',
    'command-api → nats:4222',
    'envoy-gateway-system → command-api:8081',
    'envoy-gateway-system → query-api:8082',
    'keda → nats:8222',
    'mongodb-read → mongodb-read:27017', // the job that creates its users, and the server itself
    'mongodb-write → mongodb-write:27017',
    'nats → nats:6222',
    'operator → mongodb-read:27017',
    'operator → nats:4222',
    'projector → mailpit:1025',
    'projector → mongodb-read:27017',
    'projector → nats:4222',
    'query-api → mongodb-read:27017',
    'query-api → nats:4222',
    'query-api → valkey:6379',
  ],
  production: [
    'command-api → 192.0.2.0/25:27017',
    'command-api → 198.51.100.0/24:4222',
    'envoy-gateway-system → command-api:8081',
    'envoy-gateway-system → query-api:8082',
    'monitoring → command-api:9464',
    'monitoring → operator:9464',
    'monitoring → projector:9464',
    'monitoring → query-api:9464',
    'operator → 192.0.2.128/25:27017',
    'operator → 198.51.100.0/24:4222',
    'operator → 203.0.113.128/25:443',
    'projector → 192.0.2.128/25:27017',
    'projector → 198.51.100.0/24:4222',
    'projector → 203.0.113.0/24:587',
    'query-api → 192.0.2.128/25:27017',
    'query-api → 198.51.100.0/24:4222',
  ],
}

for (const [overlay, objects] of overlays) {
  t.test(`${overlay}: the policies allow exactly the connections of the picture`, async (t) => {
    const connections = connectionsOf(objects)
    t.strictSame(
      connections.filter((connection) => !connection.includes('→ kube-system:')),
      expected[overlay],
    )
    const resolving = connections.filter((connection) => connection.endsWith('→ kube-system:53'))
    t.equal(resolving.length, new Set(podsOf(objects).map(({ labels }) => labels['app.kubernetes.io/name'])).size)
    t.equal(connections.filter((connection) => connection.includes('kube-system')).length, resolving.length)
  })

  t.test(`${overlay}: an unknown pod connects to nothing`, async (t) => {
    const stranger: KubernetesObject = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'stranger' },
      spec: { template: { metadata: { labels: { 'app.kubernetes.io/name': 'stranger' } }, spec: { containers: [] } } },
    }
    const its = connectionsOf([...objects, stranger]).filter((connection) => connection.includes('stranger'))
    t.strictSame(its, ['stranger → kube-system:53'])
  })

  t.test(`${overlay}: without the policies every connection would be allowed`, async (t) => {
    const open = connectionsOf(objects.filter(({ kind }) => kind !== 'NetworkPolicy'))
    t.ok(open.includes('query-api → command-api:8081'))
  })

  t.test(`${overlay}: every monitored service has the port that Prometheus scrapes`, async (t) => {
    for (const { spec } of ofKind(objects, 'ServiceMonitor')) {
      const watched = ofKind(objects, 'Service').filter(({ metadata }) => selects(spec.selector, metadata.labels ?? {}))
      t.strictSame(
        watched.map(({ metadata }) => metadata.name),
        ['command-api', 'operator', 'projector', 'query-api'],
      )
      for (const { spec: served } of watched) {
        t.ok(served.ports.some(({ name }: any) => name === spec.endpoints[0].port))
      }
    }
  })

  t.test(`${overlay}: the route refers to ports that the services have`, async (t) => {
    for (const { metadata, spec } of ofKind(objects, 'HTTPRoute')) {
      for (const { backendRefs } of spec.rules) {
        for (const { name, port } of backendRefs) {
          const service = ofKind(objects, 'Service').find((service) => service.metadata.name === name)
          t.ok(
            service?.spec.ports.some((served: any) => served.port === port),
            `${metadata.name} → ${name}:${port}`,
          )
        }
      }
    }
  })
}

t.test('the component for traces adds the connections to the collector that its setting names', async (t) => {
  const folder = t.testdir()
  const from = (path: string) => relative(folder, fileURLToPath(new URL(`../../../../k8s/${path}`, import.meta.url)))
  const kustomization = { resources: [from('overlays/production')], components: [from('components/traces')] }
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
  const objects = parseAllDocuments(await kustomize(folder)).map((document): KubernetesObject => document.toJS())
  const services = ['command-api', 'projector', 'query-api']
  t.strictSame(
    connectionsOf(objects).filter((connection) => connection.endsWith(':4318')),
    services.map((service) => `${service} → monitoring:4318`),
  )
  const endpoints = ofKind(objects, 'ConfigMap').flatMap(({ data }) => data?.['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? [])
  t.strictSame(
    endpoints,
    services.map(() => 'http://otel-collector.monitoring.svc.cluster.local:4318'),
  )
})
