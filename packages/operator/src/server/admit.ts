import { Refusal, type UserReadDocument } from '@cqrs/contracts'
import { ReadModel, usersRead } from '@cqrs/projector'
import type { Caller } from '@cqrs/service-kit'
import type { Db } from 'mongodb'

/**
 * Admits administrators, by what `users_read` says of them now. Who is not in it is believed by the token: the read
 * model may be what an operator has come to mend.
 * @throws Refusal `token-revoked` or `not-allowed`
 */
export async function admit(caller: Caller, db: Db): Promise<Caller> {
  const live = await new ReadModel(db, usersRead).live()
  const users = db.collection<Partial<UserReadDocument> & { _id: string }>(live)
  const user = await users.findOne({ _id: caller.id })
  if (user && (!user.isActive || caller.version < (user.tokensFromVersion ?? 1))) throw new Refusal('token-revoked')
  if (!(user?.roles ?? caller.roles).includes('admin' as never)) throw new Refusal('not-allowed')
  return caller
}
