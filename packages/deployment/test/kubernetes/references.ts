import type { Pod } from './pods.ts'

export type Reference = { kind: 'Secret' | 'ConfigMap' | 'ServiceAccount'; name: string }

/** The objects that must exist before the pod can start. */
export function referencesOf({ spec }: Pod): Reference[] {
  const sources: any[] = spec.containers.flatMap(({ env = [], envFrom = [] }: any) => [
    ...env.map(({ valueFrom }: any) => valueFrom ?? {}),
    ...envFrom,
  ])
  const volumes: any[] = spec.volumes ?? []
  const secrets = [
    ...sources.map(({ secretKeyRef, secretRef }) => secretKeyRef ?? secretRef),
    ...volumes.map(({ secret }) => secret && { ...secret, name: secret.secretName }),
  ]
  const configMaps = [
    ...sources.map(({ configMapKeyRef, configMapRef }) => configMapKeyRef ?? configMapRef),
    ...volumes.map(({ configMap }) => configMap),
  ]
  return [
    ...needed(secrets).map((name): Reference => ({ kind: 'Secret', name })),
    ...needed(configMaps).map((name): Reference => ({ kind: 'ConfigMap', name })),
    { kind: 'ServiceAccount', name: spec.serviceAccountName },
  ]
}

/** Removes the hash of the content that kustomize appends to the names of generated objects. */
export const isNamed = (actual: string, name: string): boolean =>
  actual === name || (actual.startsWith(`${name}-`) && /^[0-9a-z]{10}$/.test(actual.slice(name.length + 1)))

const needed = (references: any[]): string[] =>
  references.filter((reference) => reference && !reference.optional).map(({ name }) => name)
