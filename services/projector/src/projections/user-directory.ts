import {
  type DirectoryDocument,
  type ShownState,
  shapeName,
  type UserCreated,
  type UserReadTombstone,
  type UserUpdated,
  userDirectoryIndexes,
  wordsOf,
} from '@cqrs/contracts'
import type { Projection } from './projection.ts'
import { tombstone } from './tombstone.ts'
import { isDerived, shownUser } from './users-read.ts'

/** The users as an administrator looks for them: by words of the name, the last change first. */
export const userDirectory: Projection<DirectoryDocument | UserReadTombstone> = {
  name: shapeName('user_directory', 1),
  indexes: userDirectoryIndexes,
  on: {
    UserCreated: toDocument,
    UserUpdated: toDocument,
    UserDeleted: tombstone,
  },
  shows: {
    fields: ['email', 'name', 'roles', 'isActive', 'createdAt', 'updatedAt'],
    // Roles and names whose derived fields are wrong are wrong.
    of: (document): ShownState => ({
      ...document,
      ...(!isDerived(document) && { roles: null }),
      ...(!hasWords(document) && { name: null }),
    }),
  },
}

const hasWords = ({ name, words }: Partial<DirectoryDocument>): boolean =>
  words?.join(' ') === wordsOf(String(name)).join(' ')

function toDocument(event: UserCreated | UserUpdated): DirectoryDocument {
  const user = shownUser(event)
  return { ...user, words: wordsOf(user.name) }
}
