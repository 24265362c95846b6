import { parseConfig } from '@cqrs/service-kit'
import t from 'tap'
import Type, { type TObject } from 'typebox'
import { Config as CommandApi } from '../../../../services/command-api/src/config.ts'
import { Config as Projector } from '../../../../services/projector/src/config.ts'
import { Config as QueryApi } from '../../../../services/query-api/src/config.ts'
import { Config as Operator } from '../../../operator/src/config.ts'
import { environmentOf } from '../kubernetes/environment.ts'
import { overlays } from '../kubernetes/overlays.ts'
import { podsOf } from '../kubernetes/pods.ts'

const configs: Record<string, TObject> = {
  'command-api': CommandApi,
  projector: Projector,
  'query-api': QueryApi,
  operator: Operator,
}

for (const [overlay, objects] of overlays) {
  for (const pod of podsOf(objects)) {
    const service = pod.labels['app.kubernetes.io/name'] ?? ''
    const config = configs[service]
    if (!config) continue

    t.test(`${overlay}: ${pod.title} gets only settings of ${service}, and all that it needs`, async (t) => {
      const { given, secret } = environmentOf(pod, objects)
      const names = [...Object.keys(given), ...Object.keys(secret)]
      const known = Object.keys(config.properties)
      t.strictSame(
        names.filter((name) => !known.includes(name)),
        [],
      )
      const isMigration = pod.labels['app.kubernetes.io/component'] === 'migrate'
      const needed = isMigration ? Type.Omit(config, ['SMTP_URL']) : config
      t.doesNotThrow(() => parseConfig(needed, { ...secret, ...given }))
      // Its default is for a single machine.
      t.ok(names.includes('NATS_URL'))
    })

    t.test(
      `${overlay}: ${pod.title} trusts the gateway for the client’s address, if it is behind the gateway`,
      async (t) => {
        const isBehindGateway = pod.owner.kind === 'Deployment' && service.endsWith('-api')
        if (isBehindGateway)
          t.ok(environmentOf(pod, objects).given.TRUSTED_PROXIES, 'otherwise all clients share one rate limit')
      },
    )

    t.test(`${overlay}: ${pod.title} listens on its declared ports`, async (t) => {
      const { given } = environmentOf(pod, objects)
      for (const { name, containerPort } of pod.spec.containers[0].ports ?? []) {
        t.equal(given[name === 'http' ? 'PORT' : 'METRICS_PORT'], String(containerPort))
      }
    })

    t.test(`${overlay}: the files that ${pod.title} reads are mounted, unless it only needs their names`, async (t) => {
      const { given } = environmentOf(pod, objects)
      const mounts: string[] = (pod.spec.containers[0].volumeMounts ?? []).map(({ mountPath }: any) => mountPath)
      for (const [name, value = ''] of Object.entries(given)) {
        if (!name.endsWith('_FILE') || pod.owner.kind !== 'Deployment') continue
        t.ok(
          mounts.some((mount) => value.startsWith(`${mount}/`)),
          `${name}=${value}`,
        )
      }
    })
  }
}
