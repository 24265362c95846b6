import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { kustomize } from './kubectl.ts'

/** A Kubernetes object. `spec` depends on the kind; a test checks it against the schemas. */
export type KubernetesObject = {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  spec?: any
  data?: Record<string, string>
  automountServiceAccountToken?: boolean
}

/** The objects of every overlay, by its name, as `kubectl apply -k` would send them. */
export const overlays: ReadonlyMap<string, readonly KubernetesObject[]> = await buildAll()

/** The objects of these kinds. */
export const ofKind = (objects: readonly KubernetesObject[], ...kinds: string[]): KubernetesObject[] =>
  objects.filter(({ kind }) => kinds.includes(kind))

/** In a copy with its own secrets, so that those of a local cluster are neither needed nor changed. */
async function buildAll(): Promise<Map<string, KubernetesObject[]>> {
  const root = fileURLToPath(new URL('../../../../', import.meta.url))
  const copy = mkdtempSync(join(tmpdir(), 'k8s-'))
  t.teardown(() => rmSync(copy, { recursive: true }))
  cpSync(join(root, 'k8s'), join(copy, 'k8s'), { recursive: true, filter: (path) => !path.endsWith('/secrets') })
  symlinkSync(join(root, 'packages'), join(copy, 'packages'))
  execFileSync(process.execPath, [join(copy, 'k8s/overlays/local/make-secrets.mjs')])

  const names = readdirSync(join(copy, 'k8s/overlays'))
  const built = names.map(async (name): Promise<[string, KubernetesObject[]]> => {
    const documents = parseAllDocuments(await kustomize(join(copy, 'k8s/overlays', name)))
    return [name, documents.map((document) => unfolded(document.toJS()))]
  })
  return new Map(await Promise.all(built))
}

/** kustomize folds the base64 of long secrets. Kubernetes ignores line ends, but the schema of base64 does not. */
function unfolded(object: KubernetesObject): KubernetesObject {
  if (object.kind !== 'Secret') return object
  const entries = Object.entries(object.data ?? {}).map(([key, value]) => [key, value.replaceAll('\n', '')])
  return { ...object, data: Object.fromEntries(entries) }
}
