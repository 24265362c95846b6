import type { KubernetesObject } from './overlays.ts'

/** A kind of pod that an overlay starts: its labels and `spec`, and the object with its template. */
export type Pod = {
  /** Kind and name of that object. */
  title: string
  owner: KubernetesObject
  labels: Record<string, string>
  spec: any
}

/** Every kind of pod, whatever starts it. Fails for an unknown kind of object. */
export const podsOf = (objects: readonly KubernetesObject[]): Pod[] =>
  objects.flatMap((owner) => {
    const template = templateOf(owner)
    return template
      ? [
          {
            title: `${owner.kind} ${owner.metadata.name}`,
            owner,
            labels: template.metadata.labels,
            spec: template.spec,
          },
        ]
      : []
  })

/** Pods that run permanently. */
export const serversOf = (objects: readonly KubernetesObject[]): Pod[] =>
  podsOf(objects).filter(({ owner }) => owner.kind === 'Deployment' || owner.kind === 'StatefulSet')

/** Including init containers. */
export const containersOf = ({ spec }: Pod): any[] => [...(spec.initContainers ?? []), ...spec.containers]

/** Whether a label selector matches these labels. */
export function selects(selector: LabelSelector, labels: Record<string, string>): boolean {
  const pairs = Object.entries(selector.matchLabels ?? {})
  const expressions = selector.matchExpressions ?? []
  return (
    pairs.every(([key, value]) => labels[key] === value) &&
    expressions.every(({ key, operator, values = [] }) => {
      if (operator !== 'In') throw new Error(`the test does not know the operator ${operator}`)
      return values.includes(labels[key] ?? '')
    })
  )
}

export type LabelSelector = {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

function templateOf({ kind, spec }: KubernetesObject): any {
  if (kind === 'CronJob') return spec.jobTemplate.spec.template
  if (['Deployment', 'StatefulSet', 'Job'].includes(kind)) return spec.template
  if (kind === 'Pod' || spec?.template) throw new Error(`the test does not know how a ${kind} starts pods`)
  return undefined
}
