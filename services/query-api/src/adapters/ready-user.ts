import { UserReadModel } from '@cqrs/contracts'
import fastJson from 'fast-json-stringify'
import type { ReadyUser } from './user-cache.ts'
import type { Found } from './user-read-repository.ts'

/** Writes the answer once, for however many times it is sent. */
export const readyUser = ({ version, user }: Found): ReadyUser => ({
  version,
  etag: `"${version}"`,
  body: user && stringify(user),
})

/** Compiled from the schema of the answer: what that does not name is not written. */
const stringify = fastJson(UserReadModel)
