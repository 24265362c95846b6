import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startStack } from '@cqrs/local-stack'

// `node interop/main.ts PYTHON` starts the system, logs a user in, and lets a library of another language verify the
// token with the published keys.
const dataDir = await mkdtemp(join(tmpdir(), 'interop-'))
const stack = await startStack({ dataDir })
try {
  const account = { email: 'jo@example.com', password: 'password123' }
  const { id } = await post('/api/v1/auth/register', { ...account, name: 'Jo', roles: ['buyer'] })
  const { accessToken } = await post('/api/v1/auth/login', account)
  const jwks = await (await fetch(`${stack.baseUrl}/.well-known/jwks.json`)).json()
  const child = spawn(process.argv[2] ?? 'python3', [fileURLToPath(new URL('verify_token.py', import.meta.url))], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const given = { token: accessToken, jwks, sub: id, issuer: 'cqrs-user-service', audience: 'cqrs-user-service' }
  child.stdin.end(JSON.stringify(given))
  const [code] = await once(child, 'exit')
  process.exitCode = code ?? 1
} finally {
  await stack.stop()
  await rm(dataDir, { recursive: true, force: true })
}

async function post(path: string, body: object): Promise<{ id: string; accessToken: string }> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(stack.baseUrl + path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
  return (await response.json()) as { id: string; accessToken: string }
}
