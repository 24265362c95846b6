import t from 'tap'
import { loadDecideSave } from '../../src/store/change-user.ts'
import type { UserRepository } from '../../src/store/user-repository.ts'

t.test('a user that somebody else keeps changing is given up on after five tries', async (t) => {
  let loads = 0
  const users = { findById: async () => ({ version: ++loads }) } as unknown as UserRepository
  const seen: number[] = []
  const alwaysTooLate = async ({ version }: { version: number }) => void seen.push(version)
  await t.rejects(loadDecideSave(users, 'an id', alwaysTooLate), { code: 'version-conflict' })
  t.strictSame(seen, [1, 2, 3, 4, 5], 'each try sees a fresh copy')
})
