import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * The secret in this file, which is created with a random secret if it does not exist. The secret needs no escaping in
 * a URI. Only the owner can read the file.
 * @param bytes of a new secret, which has twice as many characters
 */
export async function secretIn(file: string, bytes = 24): Promise<string> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  try {
    // Hexadecimal: a MongoDB key file allows base64, but not the - and _ of base64url.
    await writeFile(file, randomBytes(bytes).toString('hex'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return await readFile(file, 'utf8')
}
