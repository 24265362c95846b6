export const kinds = [
  ...['register', 'change', 'password', 'activate', 'deactivate', 'delete', 'logout-all'],
  ...['login', 'refresh', 'logout', 'state'],
  ...['get', 'list', 'search', 'by-role', 'directory', 'stats'],
] as const
export type Kind = (typeof kinds)[number]

const changing: ReadonlySet<Kind> = new Set(kinds.slice(0, 7))
const reading: ReadonlySet<Kind> = new Set(kinds.slice(11))

export type Outcome = 'ok' | 'failed' | 'unknown'

/** What a version of a user contains, as every answer shows it. `more` stands for all the other fields. */
export type Content = { email: string; name: string; roles: string; isActive: boolean; more: string }

/** One request and its answer. Users are numbers, which `History.users` names; absent numbers are -1. */
export class Operation {
  readonly id: number
  readonly client: string
  readonly kind: Kind
  readonly begin: number
  readonly line: number
  user = -1
  email = ''
  name = ''
  /** Sorted and joined with spaces. */
  roles = ''
  role = ''
  /** Digest of the password that a registration, a change of password or a login sends. */
  password = ''
  key = ''
  ifMatch = -1
  minVersion = -1
  access = ''
  refresh = ''
  sent: string[] = none
  /** Infinity while nobody knows how it ended: it may take effect at any later time. */
  end = Number.POSITIVE_INFINITY
  endLine = 0
  outcome: Outcome = 'unknown'
  status = 0
  version = -1
  /** An answer to an earlier request with the same idempotency key. */
  isReplay = false
  /** Whether `shown` are all users (of the role) that there are. */
  isComplete = false
  token = ''
  newAccess = ''
  newRefresh = ''
  shownFrom = 0
  shownTo = 0

  constructor(id: number, client: string, kind: Kind, begin: number, line: number) {
    this.id = id
    this.client = client
    this.kind = kind
    this.begin = begin
    this.line = line
  }

  /** Whether it can make a version of a user. */
  get isCommand(): boolean {
    return changing.has(this.kind)
  }

  get isQuery(): boolean {
    return reading.has(this.kind)
  }

  get isOk(): boolean {
    return this.outcome === 'ok'
  }
}

const none: string[] = []

/** A user on an answer. `content` is a number in `History.contents`, 0 if the answer does not contain it. */
export type Shown = { user: number; version: number; content: number }

/** How long after an acknowledgement something may still be seen, in microseconds. */
export type Bounds = {
  /** A revoked access token is still accepted by a command, or by a query. */
  revokedCommand: number
  revokedQuery: number
  /** A deleted user is still shown to those without a token, or is still found in a store. */
  deleted: number
  erased: number
}

export type History = {
  /** In the order in which they began. */
  operations: Operation[]
  users: string[]
  contents: Content[]
  /** Flat: user, version, content. An operation has the part from `shownFrom` to `shownTo`. */
  shown: number[]
  bounds: Bounds
  /** Users that existed before, with the version and content of that moment. */
  existing: Shown[]
  mails: { user: number; at: number; line: number }[]
  /** Users whose mail may be missing, with the reason. */
  mailsExcused: Map<number, string>
  /** Whether the recorder waited for every mail. */
  hasAllMails: boolean
  /** What the search of the stores for content of deleted users has found. */
  traces: { user: number; at: number; where: string; line: number }[]
}

export function* shownBy(history: History, operation: Operation): Generator<Shown> {
  const { shown } = history
  for (let i = operation.shownFrom; i < operation.shownTo; i += 3)
    yield { user: shown[i] as number, version: shown[i + 1] as number, content: shown[i + 2] as number }
}

/** Stands for what made the users that existed before. */
export const beforeAll = Object.assign(new Operation(0, '', 'state', -1, 0), { end: -1, outcome: 'ok' as const })
