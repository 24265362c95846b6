import { FollowedDatabase } from '../read-store/followed-database.ts'
import type { CliContext } from './context.ts'

/** Makes the read models follow another write database. @returns the exit code */
export async function follow([writeDatabase = '', ...more]: string[], { db, fail }: CliContext): Promise<number> {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(writeDatabase) || more.length > 0) return fail()
  const followed = new FollowedDatabase(db)
  const before = await followed.current()
  await followed.follow(writeDatabase)
  console.log(`the read models follow the write database ${writeDatabase}; before: ${before ?? 'none'}`)
  return 0
}
