import type { KubernetesObject } from './overlays.ts'
import type { Pod } from './pods.ts'

type Environment = Record<string, string>

/**
 * The environment variables of a pod's first container, from the manifests and from secrets. A secret that an overlay
 * does not contain has an example value of the right form.
 */
export function environmentOf(
  pod: Pod,
  objects: readonly KubernetesObject[],
): { given: Environment; secret: Environment } {
  const [container] = pod.spec.containers
  const dataOf = (kind: string, name: string): Environment =>
    objects.find((object) => object.kind === kind && object.metadata.name === name)?.data ?? {}
  const given: Environment = {}
  const secret: Environment = {}
  for (const { configMapRef } of container.envFrom ?? []) Object.assign(given, dataOf('ConfigMap', configMapRef.name))
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (value !== undefined) given[name] = value
    if (!valueFrom?.secretKeyRef) continue
    const { name: secretName, key } = valueFrom.secretKeyRef
    const encoded = dataOf('Secret', secretName)[key]
    secret[name] = encoded ? Buffer.from(encoded, 'base64').toString() : (examples[name] ?? '')
  }
  return { given, secret }
}

const examples: Environment = {
  MONGODB_URI: 'mongodb+srv://user:password@write.example.com/users_write',
  MONGODB_READ_URI: 'mongodb+srv://user:password@read.example.com/users_read',
  REDIS_URL: 'rediss://user:password@redis.example.com:6379',
  SMTP_URL: 'smtps://user:password@mail.example.com',
  ADMIN_EMAIL: 'admin@example.com',
  ADMIN_PASSWORD: 'a password of the first admin',
}
