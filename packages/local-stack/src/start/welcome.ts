import type { Admin } from './first-admin.ts'
import type { Running } from './running.ts'

/**
 * The addresses of the parts, the admin, and first commands to try.
 * @param admin without a password if it is unknown
 */
export function welcome({ ports, hasDatabases }: Running, admin: Partial<Admin>, dataDir: string): string {
  const api = `http://localhost:${ports.gateway}`
  const metrics = (['command-api', 'projector', 'query-api', 'operator'] as const).map(
    (name) => `http://localhost:${ports[name]}/metrics`.padEnd(32) + name,
  )
  const databases = hasDatabases ? `MongoDB on ${ports.mongodb} (write) and ${ports['mongodb-read']} (read), ` : ''
  const post = (path: string) => `curl -sw '\\n' ${api}/api/v1/auth/${path} -H 'Content-Type: application/json' \\\n   `
  return `
  API        ${api}
  Reference  ${`${api}/docs`.padEnd(32)}every request, to try out
  Console    ${`${api}/console`.padEnd(32)}for administrators
  Admin      ${describeAdmin(admin)}
  Mail       ${`http://localhost:${ports['mail-web']}`.padEnd(32)}every e-mail that the system sends
  Metrics    ${metrics.join('\n             ')}
  Servers    ${databases}NATS on ${ports.nats}
  Logs       services: where \`npm start\` runs; other parts: ${dataDir}/logs

Ctrl-C stops the system, \`npm start\` starts it again with the data in ${dataDir}. \`npm run status\` shows this again.

Try it, in another terminal:

  EMAIL=jane-$(date +%s)@example.com
  ${post('register')} -d '{"email": "'$EMAIL'", "password": "password123", "name": "Jane Doe", "roles": ["buyer"]}'
  ${post('login')} -d '{"email": "'$EMAIL'", "password": "password123"}'

More to look at: npm run tour, npm run seed -- 1000
`
}

function describeAdmin({ email, password, passwordFile, canLogIn }: Partial<Admin>): string {
  if (!canLogIn) return 'its password is not known here; create another one: npm run admin:create -- you@example.com'
  return `${email}, password ${passwordFile ? `${password} (kept in ${passwordFile})` : 'as in ADMIN_PASSWORD'}`
}
