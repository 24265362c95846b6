import { beforeAll, type History, type Operation, shownBy } from './history.ts'

/** A version of a user, as it was seen first. */
export type Seen = {
  content: number
  /** The first answer with this content. */
  operation: Operation
  /** The earliest end of an answer that shows the version, with or without its content. */
  by: number
  byOperation: Operation
  /** Answers contradict each other: nobody knows what it contains. */
  isDisputed: boolean
}

/** What the rules look up: made once, in one pass. */
export type Facts = {
  /** Of each user, in the order in which they began: commands, sessions, and looks at the write database. */
  operationsOf: Operation[][]
  /** Of each user, by version. */
  versionsOf: Map<number, Seen>[]
  /** Answers that contradict what was seen first. */
  contradictions: { user: number; version: number; first: Operation; second: Operation; contents: [number, number] }[]
  /** Of each user, deletions that are not known to have failed. */
  deletionsOf: Map<number, Operation[]>
  /** Of each user, the first acknowledgement that it is deleted: with the version of the tombstone. */
  deletedBy: Map<number, Operation>
}

export function factsOf(history: History): Facts {
  const operationsOf: Operation[][] = history.users.map(() => [])
  const versionsOf = history.users.map(() => new Map<number, Seen>())
  const contradictions: Facts['contradictions'] = []
  const deletionsOf = new Map<number, Operation[]>()
  const deletedBy = new Map<number, Operation>()

  const see = (user: number, version: number, content: number, operation: Operation) => {
    const versions = versionsOf[user] as Map<number, Seen>
    const seen = versions.get(version)
    if (!seen)
      versions.set(version, { content, operation, by: operation.end, byOperation: operation, isDisputed: false })
    else {
      if (operation.end < seen.by) {
        seen.by = operation.end
        seen.byOperation = operation
      }
      if (content === 0 || seen.content === content) return
      if (seen.content === 0) Object.assign(seen, { content, operation })
      else {
        seen.isDisputed = true
        contradictions.push({
          ...{ user, version, first: seen.operation, second: operation },
          contents: [seen.content, content],
        })
      }
    }
  }

  for (const { user, version, content } of history.existing) see(user, version, content, beforeAll)
  for (const operation of history.operations) {
    const { user, kind, isQuery, outcome } = operation
    if (user >= 0 && !isQuery) operationsOf[user]?.push(operation)
    if (kind === 'delete' && outcome !== 'failed') {
      const deletions = deletionsOf.get(user)
      if (deletions) deletions.push(operation)
      else deletionsOf.set(user, [operation])
    }
    if (tellsDeletion(operation) && operation.end < (deletedBy.get(user)?.end ?? Number.POSITIVE_INFINITY))
      deletedBy.set(user, operation)
    for (const shown of shownBy(history, operation)) see(shown.user, shown.version, shown.content, operation)
    if (user >= 0 && operation.version > 0 && !isQuery) see(user, operation.version, 0, operation)
  }
  // A registration without an answer is known by another request with its key.
  const registered = Map.groupBy(
    history.operations.filter(({ kind, key, isOk }) => kind === 'register' && key && isOk),
    ({ key }) => key,
  )
  for (const operation of history.operations) {
    if (operation.kind !== 'register' || operation.outcome !== 'unknown' || !operation.key) continue
    for (const { user } of registered.get(operation.key) ?? []) operationsOf[user]?.push(operation)
  }
  return { operationsOf, versionsOf, contradictions, deletionsOf, deletedBy }
}

/** A deletion that succeeded, or a command that was told that the user is deleted, and at which version. */
export const tellsDeletion = ({ kind, outcome, status, version, user }: Operation): boolean =>
  user >= 0 && version > 0 && (outcome === 'ok' ? kind === 'delete' : status === 404)

/** A look at the write database that does not find the user. */
export const findsNobody = ({ kind, isOk, version }: Operation): boolean => kind === 'state' && isOk && version < 0

/** Whether the user can have been deleted before this time. */
export const mayBeDeleted = ({ deletionsOf }: Facts, user: number, before: number): boolean =>
  deletionsOf.get(user)?.some(({ begin }) => begin < before) ?? false

/** Makes a version whenever it succeeds; the others change nothing if there is nothing to change. */
export const alwaysMakes = ({ kind, isReplay }: Operation): boolean =>
  !isReplay && ['register', 'password', 'delete', 'logout-all'].includes(kind)
