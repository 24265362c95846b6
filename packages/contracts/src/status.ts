/** The subject on which every replica of every service answers with its state. */
export const statusSubject = 'status'

/** What a replica says of itself. */
export type ReplicaStatus = {
  service: string
  version: string
  /** Its host and process id. */
  replica: string
  status: 'ready' | 'degraded' | 'unready'
  checks: Record<string, 'up' | 'down'>
  missing?: string[]
  reasons?: string[]
  /** The gauges of its `/metrics` by name, but those of the process itself. */
  gauges: Record<string, { labels: Record<string, string | number>; value: number | null }[]>
}
