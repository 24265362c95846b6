import { eventually } from '@cqrs/local-stack/testing'
import type { Collection } from 'mongodb'
import pLimit from 'p-limit'
import { untilWhole } from '../faults/comparison.ts'
import { stores } from '../faults/stores.ts'
import type { World } from '../faults/world.ts'
import { Client, type ClientOptions, shownAs } from './client.ts'
import type { Nemesis } from './nemeses.ts'
import type { People } from './people.ts'
import type { Recorder } from './recorder.ts'

type User = {
  _id: string
  version: number
  deletedAt?: Date
  email: string
  name: string
  roles: string[]
  isActive: boolean
  createdAt: Date
  updatedAt: Date
}

/** The users of the write database that exist, as the recorder shows them. */
export async function existing(world: World) {
  const users = await usersOf(world)
    .find({ deletedAt: { $exists: false } }, linearizable)
    .toArray()
  return users.map((user) => ({ id: user._id, line: asShown(user) }))
}

/**
 * Waits until the system is whole again, and adds to the history what must be true then: what the write database has,
 * what each query-api shows, which mails arrived, and what is left of the deleted.
 * @returns what did not become whole, in words
 */
export async function lastLook(
  world: World,
  { recorder, people, striking, ...options }: ClientOptions & { striking: readonly Nemesis[] },
): Promise<string[]> {
  const { differing } = await untilWhole(world.write, world.read, 120_000)
  const living = await lookAtUsers(world, recorder, people)
  for (const api of options.queryApis) {
    const client = new Client({ ...options, name: `last look at ${api}`, recorder, people, queryApis: [api] })
    await eight.map(living, ({ id, version }) => client.see(id, version))
    await client.seeAll()
  }
  const notSearched = await lookForTraces(world, recorder, people, new Set(living.map(({ id }) => id)))
  const registered = living.filter(({ id }) => people.known.has(id))
  const missing = await lookAtMails(world, recorder, registered, striking)
  recorder.write('end', { mails: true })
  return [...differing, ...notSearched, ...missing.map((id) => `the welcome mail of ${id} did not arrive`)]
}

const eight = pLimit(8)

const linearizable = { readConcern: { level: 'linearizable' } } as const

const usersOf = ({ write }: World): Collection<User> => write.collection<User>('users')

const asShown = ({ _id: id, createdAt, updatedAt, ...user }: User) =>
  shownAs({ ...user, id, createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() })

async function lookAtUsers(world: World, recorder: Recorder, people: People) {
  const living: { id: string; version: number }[] = []
  await eight.map([...people.others, ...people.known.keys()], async (id) => {
    const op = recorder.invoke('observer', 'state', { user: id })
    const user = await usersOf(world).findOne({ _id: id }, linearizable)
    const isThere = user && !user.deletedAt
    if (isThere) living.push({ id, version: user.version })
    recorder.complete(op, 'ok', { shown: isThere ? [asShown(user)] : [] })
  })
  return living
}

/**
 * Erasing takes a moment, and two minutes if a publish that timed out arrives after it (services/command-api/src/store/
 * outbox.ts, `eraseAgainAfterMs`). What is left after that is a violation.
 * @returns why the stores could not be searched, if they could not
 */
async function lookForTraces(world: World, recorder: Recorder, people: People, living: Set<string>): Promise<string[]> {
  const left = async () =>
    (await stores(world)).flatMap(({ name, texts }) =>
      texts.flatMap((text) =>
        (text.match(/Contended \d+/g) ?? [])
          .map((found) => people.names.get(found))
          .filter((id) => id !== undefined && !living.has(id))
          .map((user) => ({ user, where: name })),
      ),
    )
  let found: Awaited<ReturnType<typeof left>> | Error = []
  const search = async () => {
    found = await left().catch((error: Error) => error)
    return !(found instanceof Error) && found.length === 0
  }
  await eventually(search, { timeoutMs: 150_000, intervalMs: 500 }).catch(() => {})
  if (found instanceof Error) return [`the stores cannot be searched: ${found.message}`]
  for (const trace of found) recorder.write('trace', trace)
  return []
}

/** @returns the living whose mail has not arrived, and nothing that docs/reliability.md states explains it */
async function lookAtMails(
  { mail, read }: World,
  recorder: Recorder,
  living: { id: string }[],
  striking: readonly Nemesis[],
): Promise<string[]> {
  const receivers = () => mail.mails.flatMap(({ messageId }) => /^<welcome\.([^@]+)@/.exec(messageId ?? '')?.[1] ?? [])
  const records = read.collection<{ _id: string; handedOverAt?: Date; lostAt?: Date }>('welcome_emails')
  const missing = async () => {
    const received = new Set(receivers())
    const ids = living.map(({ id }) => id).filter((id) => !received.has(id))
    const recorded = new Map(
      (await records.find({ _id: { $in: ids } }).toArray()).map((record) => [record._id, record]),
    )
    return ids.map((id) => {
      const record = recorded.get(id)
      const isUnknown = record?.handedOverAt !== undefined || record?.lostAt !== undefined
      const why = isUnknown
        ? striking.some(({ kills }) => kills) && 'a projector was killed before the mail server answered'
        : !record && striking.some(({ losesEvents }) => losesEvents) && 'NATS lost the registration'
      return { id, why }
    })
  }
  const isOver = async () => (await missing()).every(({ why }) => why)
  await eventually(isOver, { timeoutMs: 60_000, intervalMs: 200 }).catch(() => {})
  for (const user of receivers()) recorder.write('mail', { user })
  const left = await missing()
  for (const { id: user, why } of left) if (why) recorder.write('no-mail', { user, why })
  return left.filter(({ why }) => !why).map(({ id }) => id)
}
