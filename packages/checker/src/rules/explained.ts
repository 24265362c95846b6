import { type Facts, findsNobody, type Seen, tellsDeletion } from '../facts.ts'
import type { Content, History, Operation } from '../history.ts'
import { type Item, type Model, search } from '../search.ts'
import { keyOf } from './one-key.ts'
import type { NotDecided, Options, Violation } from './violation.ts'

/**
 * Whether some order of a user's commands explains every answer: each that succeeded took effect once between its
 * beginning and its end, each whose outcome is unknown at most once at any time after its beginning, requests with one
 * idempotency key once together, and each version that was seen was there by then. Versions decide most of it.
 */
export function* explained(
  history: History,
  facts: Facts,
  { isFaulty, limit }: Options,
): Generator<Violation | NotDecided> {
  const births = unknownRegistrations(history)
  const existing = new Map(history.existing.map((shown) => [shown.user, shown]))
  for (const [user, operations] of facts.operationsOf.entries()) {
    const versions = facts.versionsOf[user] as Map<number, Seen>
    if (versions.size === 0 || isFaulty(user)) continue
    const before = existing.get(user)
    const initial: State = before ? stateOf(before.version, history.contents[before.content] as Content) : unborn
    const { certain, possible } = stepsOf(operations)
    if (initial === unborn && !operations.some(({ kind }) => kind === 'register')) {
      const shown = [...versions.values()].map(({ content }) => history.contents[content]?.email ?? '')
      const emails = new Set([...shown, ...operations.map(({ email }) => email)].filter(Boolean))
      // Of a user whose address no answer has shown, each can be the registration.
      for (const email of emails.size > 0 ? emails : births.keys())
        for (const birth of births.get(email) ?? []) possible.push(stepOf(birth))
    }
    let top = initial.version
    for (const [version, { by, byOperation }] of versions) {
      top = Math.max(top, version)
      // When it was seen, it was there. A command that answered it by then says the same.
      if (byOperation.user !== user || byOperation.isQuery || !isStep(byOperation))
        certain.push(sight(version, by, byOperation))
    }
    const contentOf = (version: number) => history.contents[versions.get(version)?.content ?? 0] as Content
    // Tried last where another one does: it is needed where its name was seen.
    const names = new Set([...versions.values()].map(({ content }) => history.contents[content]?.name))
    possible.sort((a, b) => Number(names.has(a.operation.name)) - Number(names.has(b.operation.name)))
    // Nothing shows the version of a deletion that only a look at the write database tells.
    const last = operations.some(findsNobody) ? top + 1 : top
    const verdict = search(modelOf(initial, { top, last }, contentOf), certain, possible, limit)
    if (verdict.isFound) continue
    const name = history.users[user] as string
    if (verdict.isCutOff) yield { rule: 'explained', notDecided: `the commands of ${name}` }
    else {
      const { state, stuck } = verdict
      const shown = [...verdict.last, ...stuck.sort((a, b) => a.end - b.end).slice(0, 3)].map(
        ({ operation }) => operation,
      )
      yield {
        ...{ rule: 'explained', user },
        what:
          `no order of the commands of ${name} explains the answers: ` +
          `from ${wordsOf(state)} none of the last operations below is possible`,
        operations: [...new Set(shown)],
      }
    }
  }
}

type State = {
  version: number
  name: string
  roles: string
  isActive: boolean
  /** Empty if it is not known. */
  password: string
  isDeleted: boolean
}

/** The version is -1 if the outcome is unknown, or nobody was found. A sight says only that the user has reached it. */
type Step = Item & { version: number; isSight: boolean }

const unborn: State = { version: 0, name: '', roles: '', isActive: false, password: '', isDeleted: false }

const stateOf = (version: number, { name, roles, isActive }: Content): State => ({
  ...{ version, name, roles, isActive, password: '', isDeleted: false },
})

const wordsOf = ({ version, name, roles, isActive, isDeleted }: State): string =>
  version === 0
    ? 'no user'
    : isDeleted
      ? `version ${version}, deleted`
      : `version ${version} (${name}, ${roles}${isActive ? '' : ', inactive'})`

function modelOf(
  initial: State,
  { top, last }: { top: number; last: number },
  contentOf: (version: number) => Content,
): Model<State, Step> {
  return {
    initial,
    next(state, { version, isSight, operation }) {
      const { kind, password, ifMatch } = operation
      if (isSight) return state.version >= version && (state.isDeleted || !tellsDeletion(operation)) ? state : undefined
      if (findsNobody(operation)) return state.version === 0 || state.isDeleted ? state : undefined
      if (!operation.isCommand) {
        const isThere = state.version === version && !state.isDeleted
        if (kind === 'state') return isThere ? state : undefined
        const isRight = !password || !state.password || password === state.password
        return isThere && state.isActive && isRight ? state : undefined
      }
      if (ifMatch >= 0 && ifMatch !== state.version) return undefined
      const next = effectOn(state, operation)
      // No answer shows a version above `top`, so none needs a command to make it, or only a deletion.
      if (!next || next.version > (next.isDeleted ? last : top)) return undefined
      if (version > 0 && next.version !== version) return undefined
      if (next === state) return state
      const { email, name, roles, isActive } = contentOf(next.version)
      const isAsSeen =
        !email || (!next.isDeleted && name === next.name && roles === next.roles && isActive === next.isActive)
      return isAsSeen ? next : undefined
    },
    keyOf: ({ version, name, roles, isActive, password, isDeleted }) =>
      `${version}\n${name}\n${roles}\n${isActive}\n${password}\n${isDeleted}`,
    effectOf: ({ operation: { kind, name, roles, password, ifMatch } }) =>
      `${kind}\n${name}\n${roles}\n${password}\n${ifMatch}`,
  }
}

function effectOn(state: State, { kind, name, roles, password }: Operation): State | undefined {
  if (kind === 'register')
    return state.version === 0 ? { version: 1, name, roles, isActive: true, password, isDeleted: false } : undefined
  if (state.version === 0 || state.isDeleted) return undefined
  const version = state.version + 1
  if (kind === 'change')
    return state.name === name && state.roles === roles ? state : { ...state, version, name, roles }
  if (kind === 'activate') return state.isActive ? state : { ...state, version, isActive: true }
  if (kind === 'deactivate') return state.isActive ? { ...state, version, isActive: false } : state
  if (kind === 'password') return { ...state, version, password }
  if (kind === 'delete') return { ...state, version, isDeleted: true }
  return { ...state, version }
}

/** Whether it takes part in the order by itself. Refusals promise nothing (docs/decisions/0021). */
const isStep = ({ isOk, isReplay, version }: Operation): boolean => isOk && !isReplay && version > 0

const stepOf = (operation: Operation): Step => {
  const { begin, end, isOk, version } = operation
  return { begin, end, operation, version: isOk ? version : -1, isSight: false }
}

/** The condition stays true, so it is enough to look at the end. */
const sight = (version: number, by: number, operation: Operation): Step => {
  return { begin: by, end: by, operation, version, isSight: true }
}

/** Requests with one key are one step: it happened if one was answered, and may have begun with the first. */
function stepsOf(operations: Operation[]): { certain: Step[]; possible: Step[] } {
  const certain: Step[] = []
  const possible: Step[] = []
  const byKey = new Map<string, Operation[]>()
  for (const operation of operations) {
    if (operation.outcome === 'failed' || operation.kind === 'logout') continue
    if (operation.key && operation.isCommand) {
      const key = operation.kind === 'register' ? operation.key : keyOf(operation)
      const same = byKey.get(key)
      if (same) same.push(operation)
      else byKey.set(key, [operation])
    } else if (isStep(operation) || findsNobody(operation)) certain.push(stepOf(operation))
    else if (operation.isCommand) possible.push(stepOf(operation))
  }
  for (const same of byKey.values()) {
    const answered = same.filter(({ isOk }) => isOk)
    const first = answered.find(({ isReplay }) => !isReplay)
    const begin = first?.begin ?? Math.min(...same.map(({ begin }) => begin))
    const end = Math.min(...same.map(({ end }) => end))
    const step = { ...stepOf(first ?? answered[0] ?? (same[0] as Operation)), begin, end }
    if (answered.length > 0) certain.push(step)
    else possible.push(step)
  }
  return { certain, possible }
}

/** By address: registrations whose answer, with the id of the user, is missing. */
function unknownRegistrations({ operations }: History): Map<string, Operation[]> {
  const births = new Map<string, Operation[]>()
  for (const operation of operations) {
    if (operation.kind !== 'register' || operation.outcome !== 'unknown') continue
    births.set(operation.email, [...(births.get(operation.email) ?? []), operation])
  }
  return births
}
