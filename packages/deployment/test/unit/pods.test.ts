import t from 'tap'
import { ofKind, overlays } from '../kubernetes/overlays.ts'
import { containersOf, podsOf, serversOf } from '../kubernetes/pods.ts'
import { isNamed, referencesOf } from '../kubernetes/references.ts'

// https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
const restrictedVolumes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]

for (const [overlay, objects] of overlays) {
  t.test(`${overlay}: the namespace enforces the restricted Pod Security level`, async (t) => {
    const [namespace] = ofKind(objects, 'Namespace')
    t.equal(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted')
  })

  for (const pod of podsOf(objects)) {
    t.test(`${overlay}: ${pod.title} runs with minimal privileges`, async (t) => {
      const { spec } = pod
      t.equal(spec.securityContext.runAsNonRoot, true)
      t.ok(spec.securityContext.runAsUser > 0, 'a numeric user does not depend on the image')
      t.equal(spec.securityContext.seccompProfile.type, 'RuntimeDefault')
      for (const field of ['hostNetwork', 'hostPID', 'hostIPC', 'hostUsers']) t.notOk(spec[field], field)
      for (const { name, ...source } of spec.volumes ?? [])
        t.strictSame(Object.keys(source).filter(isForbidden), [], name)
      for (const { name, ports = [], securityContext } of containersOf(pod)) {
        t.strictSame(
          securityContext,
          {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          name,
        )
        for (const port of ports) t.notOk(port.hostPort, `${name} takes no port of the node`)
      }
    })

    t.test(`${overlay}: ${pod.title} cannot call the Kubernetes API`, async (t) => {
      t.equal(pod.spec.automountServiceAccountToken, false)
      const account = ofKind(objects, 'ServiceAccount').find(
        ({ metadata }) => metadata.name === pod.spec.serviceAccountName,
      )
      t.equal(account?.automountServiceAccountToken, false)
      t.equal(pod.spec.enableServiceLinks, false)
    })

    t.test(`${overlay}: ${pod.title} has requests and limits`, async (t) => {
      for (const { name, resources } of containersOf(pod)) {
        for (const resource of ['cpu', 'memory']) {
          t.ok(resources.requests[resource], `${name} asks for ${resource}`)
          t.ok(resources.limits[resource], `${name} is limited in ${resource}`)
        }
      }
    })
  }

  for (const { title, spec } of serversOf(objects)) {
    t.test(`${overlay}: ${title} has startup, liveness and readiness probes`, async (t) => {
      for (const { startupProbe, livenessProbe, readinessProbe } of spec.containers) {
        for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
          t.equal(Object.keys(probe).filter((key) => ['httpGet', 'exec', 'tcpSocket'].includes(key)).length, 1)
        }
        t.ok(startupProbe.failureThreshold * startupProbe.periodSeconds >= 60, 'a slow start is allowed')
      }
    })
  }

  t.test(`${overlay}: only command-api’s servers have the signing key`, async (t) => {
    const holders = podsOf(objects).filter((pod) =>
      referencesOf(pod).some(({ kind, name }) => kind === 'Secret' && isNamed(name, 'jwt-signing-key')),
    )
    t.strictSame(
      holders.map(({ title }) => title),
      ['Deployment command-api'],
    )
  })

  t.test(`${overlay}: the three services answer where their probes ask`, async (t) => {
    for (const { labels, spec } of serversOf(objects)) {
      if (labels['app.kubernetes.io/component'] !== 'server') continue
      const [{ startupProbe, livenessProbe, readinessProbe }] = spec.containers
      t.strictSame(startupProbe.httpGet, { path: '/healthz', port: 'http' })
      t.strictSame(livenessProbe.httpGet, { path: '/healthz', port: 'http' })
      t.strictSame(readinessProbe.httpGet, { path: '/readyz', port: 'http' })
    }
  })
}

const isForbidden = (volume: string): boolean => !restrictedVolumes.includes(volume)
