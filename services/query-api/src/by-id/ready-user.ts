import { UserReadModel } from '@cqrs/contracts'
import fastJson from 'fast-json-stringify'
import type { Moment } from '../read-store/read-database.ts'
import type { VersionedUser } from '../read-store/user-read-repository.ts'
import type { ReadyUser } from './user-cache.ts'

/** Serialises the response body once, however often it is sent. */
export const readyUser = ({ version, user }: VersionedUser, moment: Moment): ReadyUser => ({
  version,
  etag: `"${version}"`,
  body: user && stringify(user),
  time: moment.time,
  token: moment.token(),
})

/** What is known of a user whom the read model does not have. */
export const unknownUser = { version: 0, user: undefined } as const

/** Compiled from the response schema: fields that it does not name are not written. */
const stringify = fastJson(UserReadModel)
