import { readFileSync } from 'node:fs'
import type { Stack } from '../stack/stack.ts'

/** The options of a client that may do everything at the broker of a stack. */
export function asNatsAdmin({ uris, natsUsers }: Pick<Stack, 'uris' | 'natsUsers'>) {
  const { NATS_USER: user, NATS_PASSWORD_FILE: file } = natsUsers.admin
  return { servers: uris.nats, user, pass: readFileSync(file, 'utf8') }
}
