import { randomUUIDv7 } from 'node:crypto'
import type { Collection, Db } from 'mongodb'
import { restore } from '../domain/user.ts'
import { changeUser } from './change-user.ts'
import { type UserDocument, usersCollection } from './user-document.ts'
import type { UserRepository } from './user-repository.ts'
import { identityCollection } from './write-database.ts'

/** The run in progress. A run that is done leaves no record, so that the next restore begins another. */
type Run = { _id: 'restore'; version: number; at: Date }

/**
 * Gives each user of a restored backup the same version, above all that was published before the restore: the read side
 * may have any of those versions with another content. Each change is an ordinary one, with its event in the outbox. A
 * run that was interrupted continues, because its version is recorded and users who have it are done.
 *
 * Tombstones stay as they are: nothing follows a deletion, so theirs is the last version that was published.
 * @returns the version, and how many users this run raised to it
 */
export async function raiseVersions(db: Db, repository: UserRepository): Promise<{ version: number; raised: number }> {
  const runs: Collection<Run> = db.collection(identityCollection.name)
  const users: Collection<UserDocument> = db.collection(usersCollection)
  const { version, at } = (await runs.findOne({ _id: 'restore' })) ?? (await begin(users, runs))
  const relay = { publish: () => {} } // the sweeper of a running command-api publishes
  const raise = ({ _id }: UserDocument) =>
    changeUser({ users: repository, relay }, _id, (user) =>
      user.version < version ? restore(user, version, { now: at, eventId: randomUUIDv7() }) : undefined,
    )
  let raised = 0
  for (let after = ''; ; ) {
    const page = await users
      .find({ _id: { $gt: after }, version: { $lt: version }, email: { $exists: true } }, { projection: { _id: 1 } })
      .sort({ _id: 1 })
      .limit(pageSize)
      .toArray()
    await Promise.all(page.map(raise))
    raised += page.length
    after = page.at(-1)?._id ?? after
    if (page.length < pageSize) break
  }
  await runs.deleteOne({ _id: 'restore' })
  return { version, raised }
}

/** The time is the database's, as for every revocation that several processes judge. */
async function begin(users: Collection<UserDocument>, runs: Collection<Run>): Promise<Omit<Run, '_id'>> {
  const [highest] = await users
    .find({}, { projection: { version: 1 } })
    .sort({ version: -1 })
    .limit(1)
    .toArray()
  const version = (highest?.version ?? 0) + headroom
  const run = await runs.findOneAndUpdate(
    { _id: 'restore' },
    [{ $set: { version: { $ifNull: ['$version', version] }, at: { $ifNull: ['$at', '$$NOW'] } } }],
    { upsert: true, returnDocument: 'after' },
  )
  if (!run) throw new Error('the run could not be recorded')
  return run
}

/**
 * No user has been changed so often since the backup: the changes of one user are writes to one document, one after the
 * other, of which a database makes some hundred a second, so this many take hours without a pause. It is small enough
 * for thousands of restores: versions stay below 2^31.
 */
const headroom = 1_000_000

const pageSize = 200
