import { type Content, type History, type Kind, kinds, Operation, type Outcome } from './history.ts'

/** A history that cannot be judged. The message is one sentence with the number of the line. */
export class Malformed extends Error {}

/**
 * Reads a history, one JSON object a line (packages/checker/README.md), from pieces of text of any length.
 * @throws Malformed
 */
export async function readHistory(pieces: AsyncIterable<string> | Iterable<string>): Promise<History> {
  const reader = new Reader()
  let rest = ''
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() as string
    for (const line of lines) reader.take(line)
  }
  if (rest) reader.take(rest)
  return reader.end()
}

type Line = { [name: string]: unknown }

/** What a field must be, in the words of a message. */
const types = {
  'a text': (value: unknown) => typeof value === 'string' && value !== '',
  'true or false': (value: unknown) => typeof value === 'boolean',
  'a number of at least 0': (value: unknown) => typeof value === 'number' && value >= 0,
  'a whole number of at least 1': (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 1,
  'a list of texts': (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  'a list of users': (value: unknown) => Array.isArray(value) && value.every((item) => isObject(item)),
}
type TypeName = keyof typeof types

const text = 'a text'
const flag = 'true or false'
const number = 'a number of at least 0'
const count = 'a whole number of at least 1'
const texts = 'a list of texts'
const user: Record<string, TypeName> = { id: text, version: count, email: text, name: text, more: text }
const shownUser: Record<string, TypeName> = { ...user, roles: texts, isActive: flag }
const answer: Record<string, TypeName> = {
  ...{ op: count, status: count, version: count, user: text, shown: 'a list of users', complete: flag },
  ...{ replayed: flag, token: text, access: text, refresh: text },
}
/** The fields of each event besides `event`, `at` and `note`. Those that it must have come first, up to `needs`. */
const events: Record<string, { needs: string[]; has: Record<string, TypeName> }> = {
  start: {
    needs: [],
    has: { revokedCommand: number, revokedQuery: number, deleted: number, erased: number },
  },
  existing: { needs: ['id', 'version', 'email', 'name', 'roles', 'isActive'], has: shownUser },
  invoke: {
    needs: ['op', 'client', 'kind'],
    has: {
      ...{ op: count, client: text, kind: text, user: text, email: text, name: text, roles: texts, role: text },
      ...{ password: text, key: text, ifMatch: count, minVersion: count, access: text, refresh: text, sent: texts },
      retryOf: count,
    },
  },
  ok: { needs: ['op'], has: answer },
  failed: { needs: ['op'], has: answer },
  unknown: { needs: ['op'], has: { op: count, status: count } },
  mail: { needs: ['user'], has: { user: text } },
  'no-mail': { needs: ['user', 'why'], has: { user: text, why: text } },
  trace: { needs: ['user', 'where'], has: { user: text, where: text } },
  end: { needs: [], has: { mails: flag } },
}

/** What the invocation of each kind must have, and its answer if it is ok. */
const needs: Record<Kind, { invoke: string[]; ok: string[] }> = {
  register: { invoke: ['email', 'name', 'roles'], ok: ['shown'] },
  change: { invoke: ['user', 'name', 'roles'], ok: ['shown'] },
  password: { invoke: ['user', 'password'], ok: ['version'] },
  activate: { invoke: ['user'], ok: ['shown'] },
  deactivate: { invoke: ['user'], ok: ['shown'] },
  delete: { invoke: ['user'], ok: ['version'] },
  'logout-all': { invoke: ['user'], ok: ['version'] },
  login: { invoke: ['email'], ok: ['user', 'version', 'access', 'refresh'] },
  refresh: { invoke: ['refresh'], ok: ['user', 'version', 'access', 'refresh'] },
  logout: { invoke: ['refresh'], ok: [] },
  state: { invoke: ['user'], ok: ['shown'] },
  get: { invoke: ['user'], ok: ['shown'] },
  list: { invoke: [], ok: ['shown'] },
  search: { invoke: [], ok: ['shown'] },
  'by-role': { invoke: ['role'], ok: ['shown'] },
  directory: { invoke: [], ok: ['shown'] },
  stats: { invoke: [], ok: [] },
}

class Reader {
  readonly #history: History = {
    operations: [],
    users: [],
    contents: [{ email: '', name: '', roles: '', isActive: false, more: '' }],
    shown: [],
    bounds: { revokedCommand: 0, revokedQuery: 0, deleted: 0, erased: 0 },
    existing: [],
    mails: [],
    mailsExcused: new Map(),
    hasAllMails: false,
    traces: [],
  }
  readonly #users = new Map<string, number>()
  readonly #contents = new Map<string, number>()
  /** Texts that many lines repeat are kept once. */
  readonly #texts = new Map<string, string>()
  readonly #open = new Map<number, Operation>()
  readonly #ids = new Set<number>()
  readonly #tokens = new Set<string>()
  #line = 0
  #at = 0
  #hasEnded = false

  take(source: string): void {
    this.#line++
    if (source.trim() === '') return
    let line: unknown
    try {
      line = JSON.parse(source)
    } catch {
      this.#refuse('is not JSON')
    }
    if (!isObject(line)) this.#refuse('is not an object')
    const { event } = line
    const form = typeof event === 'string' && Object.hasOwn(events, event) ? events[event] : undefined
    if (!form) this.#refuse(`has an unknown event: ${JSON.stringify(event)}`)
    this.#expect(line, form.has, form.needs)
    if (this.#hasEnded) this.#refuse('comes after the end')
    if (event === 'existing' || event === 'start') {
      if (this.#history.operations.length > 0) this.#refuse(`has \`${event}\` after the first operation`)
    } else {
      if (!types[number](line['at'])) this.#refuse(`needs \`at\`, ${number}`)
      if ((line['at'] as number) < this.#at) this.#refuse('goes back in time')
      this.#at = line['at'] as number
    }
    this.#event(event as string, line)
  }

  end(): History {
    if (this.#line === 0) throw new Malformed('The history is empty.')
    return this.#history
  }

  #event(event: string, line: Line): void {
    const { mails, mailsExcused, traces, existing, bounds } = this.#history
    const about = () => ({ user: this.#user(line['user'] as string), at: this.#at, line: this.#line })
    if (event === 'invoke') this.#invoke(line)
    else if (event === 'start')
      for (const name of Object.keys(bounds) as (keyof typeof bounds)[])
        bounds[name] = (line[name] as number | undefined) ?? bounds[name]
    else if (event === 'existing') existing.push(this.#shown(line))
    else if (event === 'mail') mails.push(about())
    else if (event === 'no-mail') mailsExcused.set(about().user, line['why'] as string)
    else if (event === 'trace') traces.push({ ...about(), where: line['where'] as string })
    else if (event === 'end') {
      this.#hasEnded = true
      this.#history.hasAllMails = line['mails'] === true
    } else this.#complete(event as Outcome, line)
  }

  #invoke(line: Line): void {
    const { op, kind } = line as { op: number; kind: Kind }
    if (!kinds.includes(kind)) this.#refuse(`has an unknown kind: ${JSON.stringify(kind)}`)
    if (this.#ids.has(op)) this.#refuse(`begins operation ${op} again`)
    this.#ids.add(op)
    for (const name of needs[kind].invoke) if (!(name in line)) this.#refuse(`needs \`${name}\` to invoke ${kind}`)
    const operation = new Operation(op, this.#text(line['client']), kind, this.#at, this.#line)
    if ('user' in line) operation.user = this.#user(line['user'] as string)
    for (const name of ['email', 'name', 'role', 'password', 'key', 'access', 'refresh'] as const)
      if (name in line) operation[name] = this.#text(line[name])
    if ('roles' in line) operation.roles = this.#roles(line['roles'])
    if ('ifMatch' in line) operation.ifMatch = line['ifMatch'] as number
    if ('minVersion' in line) operation.minVersion = line['minVersion'] as number
    if ('sent' in line) {
      operation.sent = line['sent'] as string[]
      const strange = operation.sent.find((token) => !this.#tokens.has(token))
      if (strange !== undefined) this.#refuse(`sends the token ${strange}, which no answer before it has`)
    }
    this.#open.set(op, operation)
    this.#history.operations.push(operation)
  }

  #complete(outcome: Outcome, line: Line): void {
    const operation = this.#open.get(line['op'] as number)
    if (!operation) this.#refuse(`ends operation ${line['op']}, which is not in progress`)
    this.#open.delete(operation.id)
    operation.outcome = outcome
    operation.endLine = this.#line
    operation.status = (line['status'] as number | undefined) ?? 0
    if (outcome === 'unknown') return
    operation.end = this.#at
    if (outcome === 'ok')
      for (const name of needs[operation.kind].ok)
        if (!(name in line)) this.#refuse(`needs \`${name}\` in the answer to ${operation.kind}`)
    const { shown } = this.#history
    operation.shownFrom = shown.length
    for (const item of (line['shown'] as Line[] | undefined) ?? []) {
      this.#expect(item, shownUser, ['id', 'version'])
      const { user, version, content } = this.#shown(item)
      shown.push(user, version, content)
    }
    operation.shownTo = shown.length
    if (outcome === 'ok' && operation.kind === 'state' && operation.shownTo > operation.shownFrom)
      operation.version = shown[operation.shownFrom + 1] as number
    if (outcome === 'ok' && operation.isCommand && needs[operation.kind].ok.includes('shown')) {
      if (operation.shownTo - operation.shownFrom !== 3)
        this.#refuse(`needs one user in the answer to ${operation.kind}`)
      operation.version = shown[operation.shownFrom + 1] as number
      if (operation.kind === 'register') operation.user = shown[operation.shownFrom] as number
    }
    // A look that finds nobody may have the version of the tombstone, which tells no more.
    if ('version' in line && operation.kind !== 'state') operation.version = line['version'] as number
    if ('user' in line) operation.user = this.#user(line['user'] as string)
    operation.isReplay = line['replayed'] === true
    operation.isComplete = line['complete'] === true
    if ('access' in line) operation.newAccess = this.#text(line['access'])
    if ('refresh' in line) operation.newRefresh = this.#text(line['refresh'])
    if (!('token' in line)) return
    operation.token = line['token'] as string
    this.#tokens.add(operation.token)
  }

  #expect(line: Line, has: Record<string, TypeName>, needed: string[]): void {
    for (const name of needed) if (!(name in line)) this.#refuse(`needs \`${name}\``)
    for (const name in line) {
      const type = has[name]
      if (type ? !types[type](line[name]) : name !== 'event' && name !== 'at' && name !== 'note')
        this.#refuse(type ? `needs \`${name}\` to be ${type}` : `has an unknown field: \`${name}\``)
    }
  }

  #refuse(why: string): never {
    throw new Malformed(`Line ${this.#line} ${why}.`)
  }

  #user(name: string): number {
    return numberOf(this.#users, name, this.#history.users, name)
  }

  #shown(item: Line) {
    const user = this.#user(item['id'] as string)
    const version = item['version'] as number
    const told = ['email', 'name', 'roles', 'isActive'].filter((name) => name in item).length
    if (told === 0) return { user, version, content: 0 }
    if (told < 4) this.#refuse('shows a user with some of email, name, roles and isActive; needs all or none')
    const roles = this.#roles(item['roles'])
    const { email, name, isActive, more = '' } = item as Content & Line
    const text = `${email}\n${name}\n${roles}\n${isActive}\n${more}`
    return {
      user,
      version,
      content: numberOf(this.#contents, text, this.#history.contents, { email, name, roles, isActive, more }),
    }
  }

  #text(value: unknown): string {
    const text = value as string
    const known = this.#texts.get(text)
    if (known === undefined) this.#texts.set(text, text)
    return known ?? text
  }

  #roles(value: unknown): string {
    const roles = value as string[]
    return this.#text(roles.length === 1 ? roles[0] : roles.toSorted().join(' '))
  }
}

const isObject = (value: unknown): value is Line => typeof value === 'object' && value !== null && !Array.isArray(value)

function numberOf<Item>(numbers: Map<string, number>, key: string, items: Item[], item: Item): number {
  let number = numbers.get(key)
  if (number === undefined) {
    number = items.push(item) - 1
    numbers.set(key, number)
  }
  return number
}
