import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type NatsUser, natsPasswords, natsUsers } from '@cqrs/service-kit'
import { secretIn } from './secrets.ts'

export type NatsFence = {
  /** For the configuration of a server in `dataDir`. */
  configuration: string
  /** The settings with which each process connects. */
  settings: Record<NatsUser, { NATS_USER: string; NATS_PASSWORD_FILE: string }>
}

/** The users and rights that production has, with generated passwords, which are kept in `dataDir`. */
export async function natsFence(dataDir: string): Promise<NatsFence> {
  const passwordFile = (user: NatsUser) => join(dataDir, 'secrets', user)
  const secrets = natsUsers.map(async (user) => [user, await secretIn(passwordFile(user))] as const)
  const passwords = new Map(await Promise.all(secrets))
  const included = natsPasswords((user) => passwords.get(user) as string)
  await writeFile(join(dataDir, 'secrets/passwords.conf'), included, { mode: 0o600 })
  // It includes the passwords from its own folder.
  await copyFile(usersFile, join(dataDir, 'users.conf'))
  return {
    configuration: 'include "users.conf"\n',
    settings: Object.fromEntries(
      natsUsers.map((user) => [user, { NATS_USER: user, NATS_PASSWORD_FILE: passwordFile(user) }]),
    ) as NatsFence['settings'],
  }
}

const usersFile = fileURLToPath(new URL('../../../k8s/components/nats/users.conf', import.meta.url))
