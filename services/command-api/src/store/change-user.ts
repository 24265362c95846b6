import { Refusal, type UserEvent } from '@cqrs/contracts'
import type { Change, Tombstone, User } from '../domain/user.ts'
import type { Done, UpdateDone } from './user-document.ts'
import type { UserRepository } from './user-repository.ts'

/** An idempotency key, and the part of the user that the request itself contains. */
export type Once = { done: Done; input: Pick<User, 'name' | 'roles'> }

/**
 * Loads a user, decides, saves the change on the version that was loaded, and publishes its event. If another request
 * changes the user in between, it starts again with a fresh copy, 5 times at most. Requests of this process do so one
 * after the other, and newer ones queue behind them, so that they do not keep overtaking each other. Whatever it
 * returns, a majority has: what needs no write is confirmed.
 * @param decide returns undefined if there is nothing to change. It is called once for each attempt
 * @param options.once makes the change at most once: a repeated request gets the user of the first answer (`isReplay`)
 * @returns the user after the change, and the copy that the decision was made on
 * @throws Refusal `user-not-found`, `version-conflict`, `rate-limited` (if a thousand changes of the user wait),
 * `idempotency-key-reused`, and whatever `decide` throws
 */
export async function changeUser<State extends User | Tombstone>(
  { users, relay }: { users: UserRepository; relay: { publish(event: UserEvent): void } },
  id: string,
  decide: (current: User) => Change<State> | undefined | Promise<Change<State> | undefined>,
  { once }: { once?: Once | undefined } = {},
): Promise<{ user: User | State; previous: User; isReplay: boolean }> {
  const attempt = async () => {
    const current = await users.findById(id)
    if (!current) throw new Refusal('user-not-found', { deleted: await users.findDeleted(id) })
    // After the look-up: what a concurrent request does now makes the save fail, and the next attempt finds it.
    const before = once && (await users.findUpdate(id, once.done))
    if (before) {
      if (!(await users.confirm(current))) return undefined
      return { user: asAnswered(current, before, once), previous: current, isReplay: true }
    }
    const change = await decide(current)
    if (!(await save(users, change, current, once))) return undefined
    if (change) relay.publish(users.written(change.event))
    return { user: change?.state ?? current, previous: current, isReplay: false }
  }
  const again = async () => {
    for (let number = 1; number <= 5; number++) {
      const done = await attempt()
      if (done) return done
    }
    throw new Refusal('version-conflict')
  }
  const done = users.inTurn.isTaken(id) ? undefined : await attempt()
  return done ?? (await users.inTurn(id, again))
}

/** @returns whether the user still had the version, and no request with the same key came first */
async function save(
  users: UserRepository,
  change: Change<User | Tombstone> | undefined,
  current: User,
  once: Once | undefined,
): Promise<boolean> {
  if (!change) return once ? users.note(current.id, recordOf(once, current)) : users.confirm(current)
  const { state, event } = change
  if ('deletedAt' in state) return users.bury({ state, event }, current.version)
  return users.save({ state, event }, current.version, once && recordOf(once, state))
}

const recordOf = ({ done }: Once, { roles, version, isActive, updatedAt }: User): UpdateDone => ({
  ...done,
  roles,
  version,
  isActive,
  updatedAt,
})

function asAnswered(current: User, before: UpdateDone, { input }: Once): User {
  const { roles = input.roles, version, isActive, updatedAt } = before
  return { ...current, name: input.name, roles, version, isActive, updatedAt }
}
