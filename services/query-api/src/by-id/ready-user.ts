import { UserReadModel } from '@cqrs/contracts'
import fastJson from 'fast-json-stringify'
import type { VersionedUser } from '../read-store/user-read-repository.ts'
import type { ReadyUser } from './user-cache.ts'

/** Serialises the response body once, however often it is sent. */
export const readyUser = ({ version, user }: VersionedUser): ReadyUser => ({
  version,
  etag: `"${version}"`,
  body: user && stringify(user),
})

/** Compiled from the response schema: fields that it does not name are not written. */
const stringify = fastJson(UserReadModel)
