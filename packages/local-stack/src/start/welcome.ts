import type { Stack } from '../stack/stack.ts'

/** The addresses of the parts, and a first command to try. */
export function welcome({ ports, servers }: Stack, dataDir: string): string {
  const api = `http://localhost:${ports.gateway}`
  const databases = servers.mongodb ? `MongoDB on ${ports.mongodb} (write) and ${ports['mongodb-read']} (read), ` : ''
  return `
The system is ready after ${process.uptime().toFixed(1)} s. Ctrl-C stops it; its data is kept in ${dataDir}.

  API     ${api}            health: ${api}/healthz
  Console ${api}/console    for administrators: npm run admin:create
  Mail    http://localhost:${ports['mail-web']}            every e-mail that the system sends
  Others  ${databases}NATS on ${ports.nats}
  Logs    services: here; other parts: ${dataDir}/logs

Try:
  curl -X POST ${api}/api/v1/auth/register -H 'Content-Type: application/json' \\
    -d '{"email": "test@example.com", "password": "password123", "name": "Test User", "roles": ["buyer"]}'
`
}
