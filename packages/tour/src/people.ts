import type { User } from '@cqrs/client'
import { show, until } from './kit.ts'
import type { System } from './system.ts'

/** Every user of the tour, of this one and of earlier ones, has an address that ends so. */
const domain = '@tour.example'
const ours = { email: { $regex: '@tour\\.example$' } }
const names = ['Ada', 'Barbara', 'Edsger', 'Frances', 'Grace', 'Katherine', 'Leslie', 'Radia']

/** The users of the tour. */
export class People {
  /** Of each user the highest version that a command was answered with. */
  readonly acknowledged = new Map<string, number>()
  readonly #system: System
  #changes = 0

  constructor(system: System) {
    this.#system = system
  }

  /** Registers a user. Nobody knows its password. */
  async register(): Promise<User> {
    const name = names[this.acknowledged.size % names.length] as string
    const email = `${name.toLowerCase()}-${crypto.randomUUID().slice(0, 8)}${domain}`
    const input = { email, name, password: crypto.randomUUID(), roles: ['buyer' as const] }
    return this.#note(await this.#system.client.registerUser(input))
  }

  /** Renames a user: by default each in turn. */
  async rename(id?: string): Promise<User> {
    const change = ++this.#changes
    const ids = [...this.acknowledged.keys()]
    const next = id ?? (ids[change % ids.length] as string)
    const name = `${names[change % names.length]} the ${change}th`
    return this.#note(await this.#system.client.updateUser(next, { name, roles: ['buyer', 'seller'] }))
  }

  async delete(id: string): Promise<void> {
    this.acknowledged.delete(id)
    await this.#system.client.deleteUser(id)
  }

  /** @throws Error if the read model has a user in an older version than a command was answered with */
  async checkNoneLost(): Promise<void> {
    const found = (await this.#system.usersRead()).find({ _id: { $in: [...this.acknowledged.keys()] } })
    const versions = new Map((await found.toArray()).map(({ _id, version = 0 }) => [_id, version]))
    const lost = [...this.acknowledged].filter(([id, version]) => (versions.get(id) ?? 0) < version)
    show('changes lost', lost.length)
    if (lost.length > 0) throw new Error(`the read model lacks a change of ${lost.map(([id]) => id).join(', ')}`)
  }

  /** Deletes every user of the tour, also of an earlier one that was killed, and their e-mails. @returns how many */
  async deleteAll(): Promise<number> {
    const { users, client, mailsTo, deleteMail, usersRead } = this.#system
    const found = await users.find(ours, { projection: { _id: 1 } }).toArray()
    for (const { _id } of found) await client.deleteUser(_id)
    const collection = await usersRead()
    await until('no read model shows them', async () => (await collection.countDocuments(ours)) === 0)
    for (const { id } of await mailsTo((address) => address.endsWith(domain))) await deleteMail(id)
    this.acknowledged.clear()
    return found.length
  }

  #note(user: User): User {
    this.acknowledged.set(user.id, Math.max(user.version, this.acknowledged.get(user.id) ?? 0))
    return user
  }
}
