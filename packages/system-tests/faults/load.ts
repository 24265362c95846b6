import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from './random.ts'

/**
 * What a client was told: this user has at least this version. `mayBeDeleted`: it asked for the deletion, and was not
 * told that it took effect.
 */
export type Acknowledged = Map<string, { version: number; email: string; deleted: boolean; mayBeDeleted?: true }>

/**
 * Clients that register, change and delete users through any of the addresses, one command after the other, until
 * stopped. A failed command is not retried: it was not acknowledged, and may or may not have taken effect.
 */
export function startLoad(options: {
  baseUrls: string[]
  adminToken: string
  /** Gets what clients are told. */
  acknowledged: Acknowledged
  clients: number
  random: Random
}) {
  const { baseUrls, adminToken, acknowledged, clients, random } = options
  const counts = { acknowledged: 0, failed: 0 }
  const statuses = new Map<number | string, number>()
  let running = true

  async function command(method: string, path: string, body?: object): Promise<Reply | undefined> {
    try {
      const response = await fetch(random.oneOf(baseUrls) + path, {
        method,
        headers: { authorization: `Bearer ${adminToken}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(15_000),
      })
      const reply = await response.text()
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
      if (response.ok) return { version: versionOf(response), body: reply ? JSON.parse(reply) : undefined }
    } catch (error) {
      const name = (error as Error).name
      statuses.set(name, (statuses.get(name) ?? 0) + 1)
    }
    counts.failed++
    return undefined
  }

  async function register(): Promise<string | undefined> {
    const email = `${crypto.randomUUID()}@load.example.com`
    const user = { email, password: 'password123', name: 'Load', roles: ['buyer'] }
    const reply = await command('POST', '/api/v1/auth/register', user)
    if (!reply?.body) return undefined
    counts.acknowledged++
    acknowledged.set(reply.body.id, { version: reply.version, email, deleted: false })
    return reply.body.id
  }

  async function change(id: string): Promise<void> {
    const deletes = random.chance(0.1)
    const roles = random.oneOf([['buyer'], ['seller'], ['buyer', 'seller']])
    const reply = deletes
      ? await command('DELETE', `/api/v1/users/${id}`)
      : await command('PUT', `/api/v1/users/${id}`, { name: `Load ${random.between(0, 1e9)}`, roles })
    const known = acknowledged.get(id)
    if (known && deletes && !reply) acknowledged.set(id, { ...known, mayBeDeleted: true })
    if (!reply || !known) return
    counts.acknowledged++
    acknowledged.set(id, { ...known, version: Math.max(known.version, reply.version), deleted: deletes })
  }

  /** Each client changes only its own users, so the last version that it was told is a lower bound. */
  async function client(): Promise<void> {
    const own: string[] = []
    while (running) {
      const id = own.length < 3 || random.chance(0.15) ? await register() : undefined
      if (id) own.push(id)
      const target = own.length > 0 ? random.oneOf(own) : undefined
      if (target && !acknowledged.get(target)?.deleted) await change(target)
      if (own.length > 20) own.splice(0, 10)
      if (!id && !target) await delay(50) // nothing works at the moment
    }
  }

  const all = Array.from({ length: clients }, client)
  return {
    counts,
    statuses,
    async stop() {
      running = false
      await Promise.all(all)
    },
  }
}

type Reply = { version: number; body: { id: string } | undefined }

const versionOf = (response: Response): number => Number(/"(\d+)"/.exec(response.headers.get('etag') ?? '')?.[1])
