import type { Stack } from '../stack/stack.ts'

/** What runs where, and what to try next. */
export function welcome({ ports, servers }: Stack, dataDir: string): string {
  const api = `http://localhost:${ports.gateway}`
  const databases = servers.mongodb ? `MongoDB on ${ports.mongodb} (write) and ${ports['mongodb-read']} (read), ` : ''
  return `
The system runs after ${process.uptime().toFixed(1)} s. Ctrl-C stops it; its data stays in ${dataDir}.

  API     ${api}            health: ${api}/healthz
  Mail    http://localhost:${ports['mail-web']}            shows every e-mail that the system sends
  Others  ${databases}NATS on ${ports.nats}
  Logs    of the services: here; of the others: ${dataDir}/logs

Try:
  curl -X POST ${api}/api/v1/auth/register -H 'Content-Type: application/json' \\
    -d '{"email": "test@example.com", "password": "password123", "name": "Test User", "roles": ["buyer"]}'
`
}
