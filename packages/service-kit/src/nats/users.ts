/** The users of `k8s/components/nats/users.conf`: one for each process, and `admin` for a person. */
export const natsUsers = ['command-api', 'projector', 'query-api', 'migrate', 'operator', 'admin'] as const
export type NatsUser = (typeof natsUsers)[number]

/** The content of `secrets/passwords.conf`, which `users.conf` includes. */
export const natsPasswords = (passwordOf: (user: NatsUser) => string): string =>
  natsUsers
    .map((user) => `PASSWORD_OF_${user.toUpperCase().replace('-', '_')}: ${JSON.stringify(passwordOf(user))}\n`)
    .join('')
