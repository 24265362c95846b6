import {
  type DirectoryDocument,
  type DirectoryShape,
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

/**
 * The users as an administrator looks for them: by words, the last change first. Shape 1 has the words of the name,
 * shape 2 those of the e-mail address as well.
 */
const inShape = (shape: DirectoryShape): Projection<DirectoryDocument | UserReadTombstone> => {
  const wordsIn = ({ name, email }: Partial<DirectoryDocument>): string[] =>
    wordsOf(shape === 1 ? String(name) : `${name} ${email}`, shape)
  const toDocument = (event: UserCreated | UserUpdated): DirectoryDocument => {
    const user = shownUser(event)
    return { ...user, words: wordsIn(user) }
  }
  return {
    name: shapeName('user_directory', shape),
    indexes: userDirectoryIndexes,
    on: {
      UserCreated: toDocument,
      UserUpdated: toDocument,
      UserDeleted: tombstone,
    },
    shows: {
      fields: ['email', 'name', 'roles', 'isActive', 'createdAt', 'updatedAt'],
      // Roles and names whose derived fields are wrong are wrong.
      of: (document: Partial<DirectoryDocument>): ShownState => ({
        ...document,
        ...(!isDerived(document) && { roles: null }),
        ...(document.words?.join(' ') !== wordsIn(document).join(' ') && { name: null }),
      }),
    },
  }
}

export const userDirectory = { v1: inShape(1), v2: inShape(2) }
