/**
 * A simulated user service with concurrent clients, which writes the history that a recorder would. It is correct, in
 * virtual time: lost answers, late effects, read models that lag. With a mutation it has one fault, which it commits
 * where an answer shows it.
 */
export type Mutation = (typeof mutations)[number]
export const mutations = [
  ...['stale-read', 'lost-update', 'applied-twice', 'resurrected', 'two-owners'],
  ...['token-ignored', 'version-reused', 'two-contents', 'revoked-accepted', 'second-mail'],
] as const

export type Options = {
  seed: number
  operations: number
  clients: number
  users: number
  /** Of 1: answers that are lost. */
  unknown: number
  /** Share of queries, of 1. */
  queries: number
  mutation?: Mutation | undefined
}

/** A line of the history. */
export type Line = { event: string; op?: number; token?: string; sent?: string[]; [field: string]: unknown }

type Content = { email: string; name: string; roles: string[]; isActive: boolean }
/** When each read model has it: users, directory. */
type Version = { version: number; content: Content | undefined; applied: [number, number] }
type User = {
  id: string
  versions: Version[]
  password: string
  tokensFrom: number
  /** A client was told that it exists. */
  isKnown: boolean
  deletionBegan: boolean
  deletionTold: number
  isFrozen: boolean
  twice?: { name: string; roles: string[] } | undefined
  /** Versions that ended its sessions, with the time when a client was told. */
  revocations: { version: number; told: number }[]
}
type Token = { text: string; facts: { user: User; version: number }[]; time: number; seen: Map<User, number> }
type Session = { refresh: string; version: number; issued: number; user: User; access: string }
type Client = { name: string; number: number; tokens: Token[]; session: Session | undefined; changed: User | undefined }
type Reply = { event: 'ok' | 'failed'; [field: string]: unknown }

const ms = 1_000
const bounds = { revokedCommand: 0, revokedQuery: 200 * ms, deleted: 500 * ms, erased: 1_000 * ms }

/**
 * @param write takes each line of the history
 * @returns how often the mutation was committed
 */
export function simulate(options: Options, write: (line: Line) => void): number {
  const random = randomFrom(options.seed)
  const chance = (share: number) => random() < share
  const between = (from: number, to: number) => from + Math.floor(random() * (to - from))
  const oneOf = <Item>(items: readonly Item[]): Item => items[between(0, items.length)] as Item
  const agenda = new Agenda()
  const users: User[] = []
  const living: User[] = []
  const gone: User[] = []
  const owners = new Map<string, User>()
  const done = new Map<string, { user: User; version: Version }>()
  const issued: Pick<Session, 'access' | 'user' | 'issued'>[] = []
  const texts = { access: 0, token: 0, name: 0, user: 0 }
  let invoked = 0
  let planted = 0
  /** Whether nobody is told what the effect that is performed now answers. */
  let isUnheard = false
  const mutates = (mutation: Mutation, share = 0.5) =>
    options.mutation === mutation && planted < 3 && isUnheard === (mutation === 'applied-twice') && chance(share)

  const latest = (user: User) => user.versions.at(-1) as Version
  const isLiving = (user: User) => latest(user).content !== undefined
  const shown = (user: User, { version, content }: Version) => ({ id: user.id, version, ...content })
  const at = (user: User, time: number, model: 0 | 1): Version | undefined => {
    let i = user.versions.length - 1
    while (i >= 0 && (user.versions[i] as Version).applied[model] > time) i--
    return user.versions[i]
  }
  const make = (user: User, content: Content | undefined): Version => {
    const before = user.versions.at(-1)
    const lag = (model: 0 | 1) =>
      Math.max(before?.applied[model] ?? 0, agenda.now + between(1 * ms, chance(0.05) ? 200 * ms : 8 * ms))
    const version: Version = { version: (before?.version ?? 0) + 1, content, applied: [lag(0), lag(1)] }
    user.versions.push(version)
    return version
  }
  const create = (content: Content, password: string): User => {
    const id = `u${++texts.user}`
    const user: User = {
      ...{ id, versions: [], password, tokensFrom: 1, isKnown: false },
      ...{ deletionBegan: false, deletionTold: Number.POSITIVE_INFINITY, isFrozen: false, revocations: [] },
    }
    make(user, content)
    users.push(user)
    living.push(user)
    owners.set(content.email, user)
    return user
  }
  const line = (event: string, fields: object) => write({ event, at: agenda.now, ...fields })
  /** What the write database holds, looked at in one moment. */
  const look = (user: User) => {
    const op = ++invoked
    line('invoke', { op, client: 'observer', kind: 'state', user: user.id })
    line('ok', { op, shown: isLiving(user) ? [shown(user, latest(user))] : [] })
  }

  /** The effect of a command on a user that exists, at this moment. */
  const effects = {
    change: (user: User, { name, roles }: { name: string; roles: string[] }): Version => {
      const { content, version } = latest(user)
      const next = { ...(content as Content), name, roles }
      if (mutates('version-reused')) {
        look(user)
        planted++
        user.versions.push({ ...(user.versions.pop() as Version), content: next })
        return { version, content: next, applied: latest(user).applied }
      }
      if (mutates('lost-update')) {
        planted++
        return { version: version + 1, content: next, applied: [0, 0] }
      }
      const made = make(user, next)
      if (user.twice && user.twice.name !== name) {
        planted++
        make(user, { ...next, ...user.twice })
        user.twice = undefined
        look(user)
      }
      return made
    },
    password: (user: User, password: string): Version => {
      user.password = password
      return effects.revoke(user, latest(user).content?.isActive ?? false)
    },
    revoke: (user: User, isActive: boolean): Version => {
      const made = make(user, { ...(latest(user).content as Content), isActive })
      user.tokensFrom = made.version
      return made
    },
    delete: (user: User): Version => {
      owners.delete((latest(user).content as Content).email)
      living.splice(living.indexOf(user), 1)
      gone.push(user)
      for (const [key, { user: of }] of done) if (of === user) done.delete(key)
      const made = make(user, undefined)
      user.tokensFrom = made.version
      return made
    },
  }

  /** Runs one request: its effect at a moment of its own, even if the answer is lost. */
  const send = (client: Client, fields: Record<string, unknown>, effect: () => Reply | number, then: () => void) => {
    const op = ++invoked
    line('invoke', { op, client: client.name, ...fields })
    const isLost = chance(options.unknown)
    const perform = (answer: (reply: Reply) => void) => {
      isUnheard = isLost
      const reply = effect()
      isUnheard = false
      if (typeof reply === 'number') agenda.after(reply - agenda.now, () => perform(answer))
      else answer(reply)
    }
    if (isLost) {
      const late = chance(0.3) ? between(0, 300 * ms) : between(0, 3 * ms)
      if (chance(0.7)) agenda.after(late, () => perform(() => {}))
      agenda.after(between(2 * ms, 8 * ms), () => {
        if (chance(0.8)) line('unknown', { op, status: 503 })
        else client.name = `${client.number}-${op}`
        if (fields['key'] && chance(0.8)) send(client, { ...fields, retryOf: op }, effect, then)
        else then()
      })
      return
    }
    agenda.after(between(100, 3 * ms), () =>
      perform((reply) =>
        agenda.after(between(100, 2 * ms), () => {
          const { event, told, ...rest } = reply
          line(event, { op, ...rest })
          if (typeof told === 'function') told()
          then()
        }),
      ),
    )
  }

  const tokenOf = (facts: Token['facts'], time: number, seen: Map<User, number>): Token => {
    return { text: `t${++texts.token}`, facts, time, seen }
  }
  /** What the answer to a command tells the client. */
  const acknowledged = (client: Client, user: User, made: Version, rest: object): Reply => {
    const token = tokenOf([{ user, version: made.version }], 0, new Map([[user, made.version]]))
    const told = () => {
      user.isKnown = true
      client.tokens.push(token)
      client.changed = user
    }
    return { event: 'ok', status: 200, token: token.text, told, ...rest }
  }
  const revokedBy = (user: User, { version }: Version) => user.revocations.push({ version, told: agenda.now })

  const command = (client: Client, then: () => void) => {
    const dice = random()
    const candidates = living.filter(({ isKnown }) => isKnown)
    const recent = gone.slice(-5).filter(({ deletionTold }) => deletionTold < agenda.now)
    const resurrects = mutates('resurrected') && recent.length > 0
    const user = resurrects ? oneOf(recent) : candidates.length > 0 ? oneOf(candidates) : undefined
    if (!user || (dice < 0.08 && !resurrects)) return register(client, then)
    const about = { user: user.id }
    const missing = { event: 'failed', status: 404 } as const
    const gate = (effect: () => Reply) => (): Reply => (isLiving(user) ? effect() : missing)
    if (dice < 0.6 || resurrects) {
      const input = { name: `n${++texts.name}`, roles: oneOf([['buyer'], ['seller'], ['buyer', 'seller']]) }
      const key = chance(0.3) && !resurrects ? `k${texts.name}` : undefined
      const ifMatch = !key && !resurrects && chance(0.2) ? latest(user).version : undefined
      const perform = (): Reply => {
        const before = key ? done.get(key) : undefined
        if (before && isLiving(user))
          return acknowledged(client, user, before.version, { shown: [shown(user, before.version)], replayed: true })
        if (!isLiving(user)) {
          if (!resurrects || isUnheard) return { ...missing, version: latest(user).version }
          planted++
          const content = { ...(user.versions.at(-2)?.content as Content), ...input }
          return { event: 'ok', shown: [{ id: user.id, version: latest(user).version + 1, ...content }] }
        }
        if (ifMatch !== undefined && latest(user).version !== ifMatch) return { event: 'failed', status: 412 }
        const made = effects.change(user, input)
        if (key) done.set(key, { user, version: made })
        return acknowledged(client, user, made, { shown: [shown(user, made)] })
      }
      const perhapsTwice = () => {
        const reply = perform()
        if (reply.event === 'ok' && !reply['replayed'] && !key && mutates('applied-twice') && !user.twice) {
          user.twice = input
          look(user)
        }
        return reply
      }
      const fields = { kind: 'change', ...about, ...input, ...(key && { key }), ...(ifMatch && { ifMatch }) }
      return send(client, fields, options.mutation === 'applied-twice' ? perhapsTwice : perform, then)
    }
    if (dice < 0.75) return logIn(client, user, then)
    if (dice < 0.82 && client.session) return refresh(client, client.session, then)
    if (dice < 0.87) {
      const password = `p${++texts.name}`
      const effect = gate(() => {
        const made = effects.password(user, password)
        const told = () => revokedBy(user, made)
        return both(told, acknowledged(client, user, made, { version: made.version }))
      })
      return send(client, { kind: 'password', ...about, password }, effect, then)
    }
    if (dice < 0.95) {
      const kind = oneOf(['activate', 'deactivate', 'logout-all'] as const)
      const effect = gate(() => {
        const isActive = latest(user).content?.isActive ?? false
        const ends = kind === 'logout-all' || (kind === 'deactivate' && isActive)
        const nothing = kind !== 'logout-all' && isActive === (kind === 'activate')
        const content = { ...(latest(user).content as Content), isActive: true }
        const made = nothing
          ? latest(user)
          : ends
            ? effects.revoke(user, kind === 'logout-all' && isActive)
            : make(user, content)
        const answer = kind === 'logout-all' ? { version: made.version } : { shown: [shown(user, made)] }
        return both(() => ends && revokedBy(user, made), acknowledged(client, user, made, answer))
      })
      return send(client, { kind, ...about }, effect, then)
    }
    if (user.isFrozen || living.length < options.users / 2) return then()
    user.deletionBegan = true
    const effect = gate(() => {
      const made = effects.delete(user)
      const told = () => {
        revokedBy(user, made)
        user.deletionTold = agenda.now
      }
      return both(told, acknowledged(client, user, made, { version: made.version }))
    })
    send(client, { kind: 'delete', ...about }, effect, then)
  }

  const both = (first: () => void, reply: Reply): Reply => {
    const told = reply['told'] as () => void
    return {
      ...reply,
      told: () => {
        first()
        told()
      },
    }
  }

  const register = (client: Client, then: () => void): void => {
    const isNew = chance(0.6) || owners.size === 0
    const email = isNew ? `a${++texts.name}@x` : oneOf([...owners.keys(), ...gone.slice(-3).map(addressOf)])
    const name = `n${++texts.name}`
    const content: Content = { email, name, roles: ['buyer'], isActive: true }
    const key = chance(0.5) ? `k${texts.name}` : undefined
    const password = `p${texts.name}`
    const effect = (): Reply => {
      const before = key ? done.get(key) : undefined
      const created = (user: User, rest = {}): Reply => {
        const first = user.versions[0] as Version
        return acknowledged(client, user, first, { shown: [shown(user, first)], ...rest })
      }
      if (before) return created(before.user, { replayed: true })
      const owner = owners.get(email)
      if (owner) {
        if (owner.deletionBegan || !owner.isKnown || !mutates('two-owners', 1)) return { event: 'failed', status: 409 }
        owner.isFrozen = true
        planted++
      }
      const user = create(content, password)
      user.isFrozen = owner !== undefined
      if (key) done.set(key, { user, version: latest(user) })
      const sendMail = () => line('mail', { user: user.id })
      agenda.after(between(5 * ms, 50 * ms), sendMail)
      if (mutates('second-mail')) {
        planted++
        agenda.after(between(50 * ms, 90 * ms), sendMail)
      }
      return created(user)
    }
    send(client, { kind: 'register', email, name, roles: content.roles, password, ...(key && { key }) }, effect, then)
  }
  const addressOf = (user: User): string => user.versions[0]?.content?.email ?? ''

  const opened = (client: Client, user: User, session: { refresh: string; version: number } | undefined): Reply => {
    const { version } = latest(user)
    const number = ++texts.access
    const next = {
      refresh: `r${number}`,
      version: session?.version ?? version,
      user,
      access: `a${number}`,
      issued: version,
    }
    const reply = acknowledged(client, user, latest(user), {
      ...{ user: user.id, version, access: next.access, refresh: next.refresh },
    })
    const told = () => {
      issued.push(next)
      client.session = next
    }
    return both(told, reply)
  }
  const logIn = (client: Client, user: User, then: () => void): void => {
    const { password } = user
    const email = addressOf(user)
    const effect = (): Reply => {
      const isRight = owners.get(email) === user && user.password === password && latest(user).content?.isActive
      return isRight ? opened(client, user, undefined) : { event: 'failed', status: 401 }
    }
    send(client, { kind: 'login', email, password }, effect, then)
  }
  const refresh = (client: Client, session: Session, then: () => void): void => {
    const effect = (): Reply => {
      const { user, version } = session
      const isGood = isLiving(user) && latest(user).content?.isActive && version >= user.tokensFrom
      return isGood ? opened(client, user, session) : { event: 'failed', status: 401 }
    }
    send(client, { kind: 'refresh', refresh: session.refresh }, effect, then)
  }

  const query = (client: Client, then: () => void): void => {
    const sent = chance(0.8) ? client.tokens : []
    const kind = oneOf(['get', 'get', 'get', 'get', 'get', 'get', 'list', 'directory', 'by-role', 'search'] as const)
    const model = kind === 'directory' ? 1 : 0
    const wanted = client.changed && chance(0.4) ? client.changed : oneOf(users)
    const seen = new Map<User, number>()
    for (const token of sent)
      for (const [user, version] of token.seen) seen.set(user, Math.max(version, seen.get(user) ?? 0))
    const facts = sent.flatMap((token) => token.facts)
    const floor = Math.max(0, ...sent.map(({ time }) => time))
    const old = chance(0.05) && issued.length > 0 ? oneOf(issued.slice(-50)) : undefined
    const holder = old ?? client.session
    const access = holder?.access
    const isLongRevoked = old?.user.revocations.some(
      ({ version, told }) => version > old.issued && told + bounds.revokedQuery < agenda.now,
    )
    const role = kind === 'by-role' ? oneOf(['buyer', 'seller']) : undefined
    const appliedAt = ({ user, version }: Token['facts'][number], which: 0 | 1): number =>
      user.versions.find((one) => one.version === version)?.applied[which] ?? 0
    const fields = {
      ...{ kind, ...(kind === 'get' && { user: wanted.id }), ...(role && { role }), ...(access && { access }) },
      ...(sent.length > 0 && { sent: sent.map(({ text }) => text) }),
    }
    let accepts: boolean | undefined
    const effect = (): Reply | number => {
      accepts ??= isLongRevoked && mutates('revoked-accepted')
      const hasEnded = holder && holder.issued < holder.user.tokensFrom
      if (hasEnded && holder === client.session) client.session = undefined
      if (hasEnded && !accepts) return { event: 'failed', status: 401 }
      const needed = Math.max(floor, ...facts.map((fact) => appliedAt(fact, model)))
      const own = facts.findLast(({ user }) => user === wanted)
      if (needed > agenda.now) {
        const isBehind = own && appliedAt(own, model) > agenda.now && !wanted.deletionBegan
        if (kind !== 'get' || !isBehind || !mutates('token-ignored')) return needed
        planted++
        const found = at(wanted, agenda.now, model)
        return { event: 'ok', shown: found?.content ? [shown(wanted, found)] : [] }
      }
      const lowest = Math.max(needed, agenda.now - (chance(0.2) ? 100 * ms : 5 * ms))
      const time = between(lowest, agenda.now + 1)
      const found: { user: User; version: Version }[] = []
      // A list has all users; deletions that are not applied yet are among the last.
      const isList = kind === 'list' || kind === 'by-role'
      const from = kind === 'get' ? [wanted] : isList ? [...living, ...gone.slice(-100)] : users.slice(-20)
      for (const user of from) {
        const version = at(user, time, model)
        if (version?.content && (!role || version.content.roles.includes(role))) found.push({ user, version })
      }
      const isOld = (seen.get(wanted) ?? 0) > 1 && found[0] && sent.length > 0
      if (kind === 'get' && isOld && mutates('stale-read')) {
        const version = wanted.versions[(seen.get(wanted) as number) - 2]
        if (version?.content) {
          planted++
          return { event: 'ok', shown: [shown(wanted, version)] }
        }
      }
      if (kind === 'get' && found[0] && mutates('two-contents')) {
        const right = shown(wanted, found[0].version)
        planted++
        const op = ++invoked
        line('invoke', { op, client: 'observer', kind: 'get', user: wanted.id })
        line('ok', { op, shown: [right] })
        return { event: 'ok', shown: [{ ...right, name: `other ${right.name}` }] }
      }
      // What a directory shows does not bind the other queries, which read another model.
      if (model === 0)
        for (const { user, version } of found) seen.set(user, Math.max(version.version, seen.get(user) ?? 0))
      // A user stays in the token until both read models have its version.
      const left = facts.filter((fact) => appliedAt(fact, 0) > time || appliedAt(fact, 1) > time)
      if (accepts) planted++
      const token = tokenOf(left, time, options.mutation === 'stale-read' ? seen : new Map())
      const told = () => {
        client.tokens = [token, ...client.tokens.filter((one) => !sent.includes(one) && one.time === 0)]
        for (const { user, version } of found) if (version === latest(user)) user.isKnown = true
      }
      return {
        event: 'ok',
        shown: found.map(({ user, version }) => shown(user, version)),
        token: token.text,
        told,
        ...(isList && { complete: true }),
      }
    }
    // A lost answer to a query has no effect.
    send(client, fields, effect, then)
  }

  write({ event: 'start', ...bounds })
  for (let i = 0; i < options.users; i++) {
    const content = { email: `a${++texts.name}@x`, name: `n${texts.name}`, roles: ['buyer'], isActive: true }
    const user = create(content, `p${texts.name}`)
    user.isKnown = true
    latest(user).applied = [0, 0]
    write({ event: 'existing', ...shown(user, latest(user)) })
  }
  const step = (client: Client) => {
    if (invoked >= options.operations) return
    const next = () => agenda.after(between(0, 2 * ms), () => step(client))
    if (chance(options.queries)) query(client, next)
    else command(client, next)
  }
  for (let number = 1; number <= options.clients; number++) {
    const client = { name: `${number}`, number, tokens: [], session: undefined, changed: undefined }
    agenda.after(number, () => step(client))
  }
  agenda.run()
  for (const user of users) look(user)
  line('end', { mails: true })
  return planted
}

/** What is to happen, by virtual time in microseconds. */
class Agenda {
  now = 0
  readonly #heap: { time: number; run: () => void }[] = []

  after(delay: number, run: () => void): void {
    const heap = this.#heap
    heap.push({ time: this.now + Math.max(0, delay), run })
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1
      if ((heap[parent]?.time ?? 0) <= (heap[i]?.time ?? 0)) break
      this.#swap(i, parent)
      i = parent
    }
  }

  run(): void {
    for (let next = this.#pop(); next; next = this.#pop()) {
      this.now = next.time
      next.run()
    }
  }

  #pop() {
    const heap = this.#heap
    if (heap.length === 0) return undefined
    this.#swap(0, heap.length - 1)
    const first = heap.pop()
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2]
      const time = (at: number) => heap[at]?.time ?? Number.POSITIVE_INFINITY
      const least = time(right) < time(left) ? right : left
      if (time(least) >= time(i)) return first
      this.#swap(i, least)
      i = least
    }
  }

  #swap(i: number, j: number): void {
    const heap = this.#heap
    const kept = heap[i] as (typeof heap)[number]
    heap[i] = heap[j] as (typeof heap)[number]
    heap[j] = kept
  }
}

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
