// What the operator's API and the public API answer.

export type Replica = {
  service: string
  version?: string
  replica?: string
  status: 'ready' | 'degraded' | 'unready' | 'no answer'
  down?: string[]
  missing?: string[]
  reasons?: string[]
}

export type Consumer = {
  consumer: string
  events: number | null
  oldestSeconds: number | null
  deadLetters: number | null
  handledPerSecond: number | null
  pausedUntil: string | null
  isWell: boolean
}

export type Shape = {
  shape: string
  readModel: string
  isLive: boolean
  isWritten: boolean
  condition: string
  collection: string
  documents: number | null
  differing: number | null
  held: number | null
  comparedAt: string | null
  rebuild: { filled: number; total: number } | null
  isWell: boolean
}

export type State = {
  at: string
  isWell: boolean
  replicas: Replica[]
  consumers: Consumer[]
  readModels: Shape[]
  outbox: { users: number | null; oldestSeconds: number | null; isWell: boolean }
  problems: { text: string; remedy: string }[]
}

export type DeadLetter = {
  seq: number
  time: string
  reason: string
  detail?: string
  consumer: string
  originalSubject: string
  originalSeq: number
  content?: string
}

export type Finding = {
  shape?: string
  id?: string
  kind?: string
  readVersion?: number
  writeVersion?: number
  sum?: string
  by?: number
  users?: number
  differing?: number
  held?: number
  published?: number
  left?: number
  condition?: string
  error?: string
  isWhole?: boolean
}

export type User = {
  id: string
  email: string
  name: string
  roles: string[]
  isActive: boolean
  createdAt: string
  updatedAt: string
  version: number
}

/** A change that is confirmed before it is made. */
export type Question = {
  title: string
  /** What it will do. */
  text: string
  /** Looks first, and says what would change. */
  prepare?: () => Promise<string>
  /** The label of the button. */
  action: string
  isDangerous?: boolean
  /** Makes the change. Its result is announced. */
  run: () => Promise<string>
}

export type Route = { screen: string; id: string; params: URLSearchParams }
