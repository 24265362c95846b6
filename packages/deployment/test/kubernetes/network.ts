import { type KubernetesObject, ofKind } from './overlays.ts'
import { type LabelSelector, type Pod, podsOf, selects } from './pods.ts'

/** An end of a connection: a pod, all pods of another namespace, or addresses outside the cluster. */
type End = { name: string; isOurs?: true; labels?: Record<string, string>; namespace?: string; cidr?: string }

/**
 * Every connection that the network policies allow, as `from → to:port`, each once. Pods are named by their label
 * `app.kubernetes.io/name`. Supports what the policies here use: selectors of labels, namespaces and CIDRs, and TCP or
 * UDP ports by number.
 */
export function connectionsOf(objects: readonly KubernetesObject[]): string[] {
  const policies = ofKind(objects, 'NetworkPolicy').map(({ spec }) => spec as Policy)
  const pods = podsOf(objects)
  const inside = pods.map((pod): End => ({ name: nameOf(pod), isOurs: true, labels: pod.labels, namespace: 'users' }))
  const outside = policies.flatMap(peersOf).flatMap(endOutside)
  const ports = new Set([
    ...policies.flatMap(rulesOf).flatMap(({ ports = [] }) => ports.map(({ port }) => port)),
    ...pods.flatMap(({ spec }) => spec.containers.flatMap(({ ports = [] }: any) => ports.map(portNumber))),
  ])
  const ends = [...inside, ...outside]
  const open = ends.flatMap((from) =>
    ends.flatMap((to) =>
      [...ports]
        .filter(
          (port) =>
            (from.isOurs || to.isOurs) && mayLeave(policies, from, to, port) && mayEnter(policies, from, to, port),
        )
        .map((port) => `${from.name} → ${to.name}:${port}`),
    ),
  )
  return [...new Set(open)].sort()
}

type Policy = { podSelector: LabelSelector; policyTypes: string[]; ingress?: Rule[]; egress?: Rule[] }
type Rule = { from?: Peer[]; to?: Peer[]; ports?: { port: number }[] }
type Peer = { podSelector?: LabelSelector; namespaceSelector?: LabelSelector; ipBlock?: { cidr: string } }

const mayLeave = (policies: Policy[], from: End, to: End, port: number): boolean =>
  isAllowed(policies, 'Egress', from, ({ egress = [] }) => egress.some((rule) => fits(rule.to, rule, to, port)))

const mayEnter = (policies: Policy[], from: End, to: End, port: number): boolean =>
  isAllowed(policies, 'Ingress', to, ({ ingress = [] }) => ingress.some((rule) => fits(rule.from, rule, from, port)))

/** Without a policy for an end everything is allowed, else what one of its policies allows. None applies outside. */
function isAllowed(policies: Policy[], type: string, end: End, allows: (policy: Policy) => boolean): boolean {
  const { isOurs, labels = {} } = end
  if (!isOurs) return true
  const valid = policies.filter(
    ({ podSelector, policyTypes }) => policyTypes.includes(type) && selects(podSelector, labels),
  )
  return valid.length === 0 || valid.some(allows)
}

function fits(peers: Peer[] | undefined, { ports }: Rule, end: End, port: number): boolean {
  const isPort = ports === undefined || ports.some((allowed) => allowed.port === port)
  return isPort && (peers === undefined || peers.some((peer) => isPeer(peer, end)))
}

function isPeer({ podSelector, namespaceSelector, ipBlock }: Peer, end: End): boolean {
  if (ipBlock) return end.cidr === ipBlock.cidr
  if (end.cidr !== undefined) return false
  const isNamespace = namespaceSelector
    ? selects(namespaceSelector, { [namespaceLabel]: end.namespace ?? '' })
    : end.namespace === 'users'
  return isNamespace && (podSelector === undefined || selects(podSelector, end.labels ?? {}))
}

/** The ends outside the cluster's pods that the policies name. */
function endOutside({ podSelector, namespaceSelector, ipBlock }: Peer): End[] {
  if (ipBlock) return [{ name: ipBlock.cidr, cidr: ipBlock.cidr }]
  if (!namespaceSelector) return []
  const namespace = namespaceSelector.matchLabels?.[namespaceLabel]
  if (!namespace) throw new Error('a namespace selector without a name')
  return [{ name: namespace, namespace, ...(podSelector?.matchLabels && { labels: podSelector.matchLabels }) }]
}

const namespaceLabel = 'kubernetes.io/metadata.name'
const nameOf = ({ labels, title }: Pod): string => labels['app.kubernetes.io/name'] ?? title
const portNumber = ({ containerPort }: { containerPort: number }): number => containerPort
const rulesOf = ({ ingress = [], egress = [] }: Policy): Rule[] => [...ingress, ...egress]
const peersOf = (policy: Policy): Peer[] => rulesOf(policy).flatMap(({ from = [], to = [] }) => [...from, ...to])
