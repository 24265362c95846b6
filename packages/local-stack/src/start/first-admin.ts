import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { eventually } from '../eventually.ts'
import { secretIn } from '../secrets.ts'

/** The admin that command-api creates once for a database. */
export type Admin = {
  email: string
  password: string
  /** Where the password is kept; undefined if it was given as ADMIN_PASSWORD. */
  passwordFile?: string
  /** Whether this admin can log in: the database may have had its first admin before. */
  canLogIn?: boolean
}

/** The admin of the settings; otherwise admin@example.com, with a random password that is kept in `dataDir`. */
export async function adminOf({ ADMIN_EMAIL, ADMIN_PASSWORD }: NodeJS.ProcessEnv, dataDir: string): Promise<Admin> {
  const email = ADMIN_EMAIL || 'admin@example.com'
  if (ADMIN_PASSWORD) return { email, password: ADMIN_PASSWORD }
  const passwordFile = adminPasswordFile(dataDir)
  return { email, passwordFile, password: await secretIn(passwordFile, 9) }
}

const adminPasswordFile = (dataDir: string): string => join(dataDir, 'secrets/admin-password')

/**
 * Whether the admin can log in, once command-api has looked whether it has to create it. Ends the session of the try.
 * @param uri the write database
 */
export async function canLogIn(admin: Admin, baseUrl: string, uri: string): Promise<boolean> {
  const client = new MongoClient(uri)
  try {
    const identity = client.db().collection<{ _id: string }>('identity')
    const isDone = { _id: 'write-database', firstAdminAt: { $exists: true } }
    await eventually(async () => (await identity.findOne(isDone)) !== null, { timeoutMs: 5_000 })
  } catch {
    // command-api logs why it did not create the admin.
  } finally {
    await client.close()
  }
  return logsIn(admin, baseUrl)
}

/** Whether the address and the password are right. Ends the session of the try. */
export async function logsIn({ email, password }: Pick<Admin, 'email' | 'password'>, baseUrl: string) {
  const post = (path: string, body: object) =>
    fetch(`${baseUrl}/api/v1/auth/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    })
  try {
    const answer = await post('login', { email, password })
    if (!answer.ok) return false
    const { refreshToken } = (await answer.json()) as { refreshToken: string }
    await post('logout', { refreshToken })
    return true
  } catch {
    return false
  }
}
