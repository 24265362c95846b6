import { closeWithinMs } from '@cqrs/service-kit'
import t from 'tap'
import { type KubernetesObject, ofKind, overlays } from '../kubernetes/overlays.ts'
import { type Pod, selects, serversOf } from '../kubernetes/pods.ts'

for (const [overlay, objects] of overlays) {
  const servers = serversOf(objects)
  const ours = servers.filter(({ labels }) => labels['app.kubernetes.io/component'] === 'server')
  const replicated = servers.filter(({ owner }) => owner.spec.replicas !== 1)

  t.test(`${overlay}: the services and the console are ours, and only the console has no second pod`, async (t) => {
    t.strictSame(ours.map(nameOf).sort(), ['command-api', 'operator', 'projector', 'query-api'])
    t.strictSame(ours.filter((pod) => !replicated.includes(pod)).map(nameOf), ['operator'])
  })

  for (const pod of ours) {
    t.test(`${overlay}: a new version of ${nameOf(pod)} takes over before an old pod stops`, async (t) => {
      const { strategy, minReadySeconds } = pod.owner.spec
      t.strictSame(strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 })
      t.ok(minReadySeconds >= 5)
    })

    t.test(`${overlay}: ${nameOf(pod)} has time to finish requests and events in progress`, async (t) => {
      const [{ lifecycle }] = pod.spec.containers
      const pauseSeconds = lifecycle?.preStop.sleep.seconds ?? 0
      t.ok(pod.spec.terminationGracePeriodSeconds >= pauseSeconds + closeWithinMs / 1_000 + 5)
      const isRoutedTo = backendsOf(objects).includes(nameOf(pod))
      t.equal(pauseSeconds > 0, isRoutedTo, 'a pod behind a gateway keeps serving until the gateway has removed it')
    })
  }

  for (const { title, labels, spec, owner } of replicated) {
    t.test(`${overlay}: ${title} survives the loss of a node`, async (t) => {
      const budgets = ofKind(objects, 'PodDisruptionBudget').filter(({ spec }) => selects(spec.selector, labels))
      t.equal(budgets.length, 1, 'one budget')
      t.equal(budgets[0]?.spec.maxUnavailable, 1)
      const keys = spec.topologySpreadConstraints.map(({ topologyKey }: any) => topologyKey)
      t.strictSame(keys, ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'])
      for (const { labelSelector } of spec.topologySpreadConstraints) t.ok(selects(labelSelector, labels))
      t.ok((owner.spec.replicas ?? scalerOf(objects, owner)?.min) >= 2)
    })
  }

  t.test(`${overlay}: each autoscaler finds its Deployment, and is the only one`, async (t) => {
    for (const { spec } of ofKind(objects, 'HorizontalPodAutoscaler', 'ScaledObject')) {
      const target = ofKind(objects, 'Deployment').find(({ metadata }) => metadata.name === spec.scaleTargetRef.name)
      t.ok(target, spec.scaleTargetRef.name)
      t.equal(target?.spec.replicas, undefined, 'otherwise each `kubectl apply` would reset it')
    }
    for (const name of ['command-api', 'query-api']) {
      const scalers = ofKind(objects, 'HorizontalPodAutoscaler').filter(({ spec }) => spec.scaleTargetRef.name === name)
      t.equal(scalers.length, 1, name)
    }
  })
}

t.test('production: the backlog of the slowest read model determines the number of projectors', async (t) => {
  const [{ spec } = { spec: undefined }] = ofKind(overlays.get('production') ?? [], 'ScaledObject')
  t.equal(spec.scaleTargetRef.name, 'projector')
  t.strictSame(
    spec.triggers.map(({ type, metadata }: any) => [type, metadata.stream, metadata.consumer]),
    ['users_read_v1', 'user_stats_v1', 'user_directory_v1', 'user_directory_v2'].map((shape) => [
      'nats-jetstream',
      'USERS',
      shape,
    ]),
  )
})

t.test('local: NATS has three servers that lose no acknowledged message', async (t) => {
  const objects = overlays.get('local') ?? []
  const nats = serversOf(objects).find((pod) => nameOf(pod) === 'nats')
  t.equal(nats?.owner.spec.replicas, 3)
  const configuration = ofKind(objects, 'ConfigMap').find(({ metadata }) => metadata.name.startsWith('nats-'))
  t.match(configuration?.data?.['nats-server.conf'], /^ {2}sync_interval: always$/m)
})

function nameOf({ owner }: Pod): string {
  return owner.metadata.name
}

const backendsOf = (objects: readonly KubernetesObject[]): string[] =>
  ofKind(objects, 'HTTPRoute').flatMap(({ spec }) =>
    spec.rules.flatMap(({ backendRefs }: any) => backendRefs.map(({ name }: any) => name)),
  )

function scalerOf(objects: readonly KubernetesObject[], { metadata }: KubernetesObject): { min: number } | undefined {
  const scaler = ofKind(objects, 'HorizontalPodAutoscaler', 'ScaledObject').find(
    ({ spec }) => spec.scaleTargetRef.name === metadata.name,
  )
  return scaler && { min: scaler.spec.minReplicas ?? scaler.spec.minReplicaCount }
}
