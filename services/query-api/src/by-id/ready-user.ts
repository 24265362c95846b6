import { UserReadModel } from '@cqrs/contracts'
import fastJson from 'fast-json-stringify'
import type { VersionedUser } from '../read-store/user-read-repository.ts'
import type { ReadyUser } from './user-cache.ts'

/** Writes the answer once, for however many times it is sent. */
export const readyUser = ({ version, user }: VersionedUser): ReadyUser => ({
  version,
  etag: `"${version}"`,
  body: user && stringify(user),
})

/** Compiled from the schema of the answer: what that does not name is not written. */
const stringify = fastJson(UserReadModel)
