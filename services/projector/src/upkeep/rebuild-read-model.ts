import { randomUUID } from 'node:crypto'
import { eventOf, type Snapshot, type UserEvent } from '@cqrs/contracts'
import { type Projection, project } from '../projections/projection.ts'
import type { ReadModel } from '../read-store/read-model.ts'
import type { Rebuild, Rebuilds } from '../read-store/rebuild-state.ts'
import type { WriteSide } from './write-side.ts'

/**
 * Fills a new collection beside the live one and then makes it the live one, while queries and events go on.
 *
 * First every projector is made to apply events to both. When no batch is under way any more that began before that, the
 * write side is asked for all users, page by page. Whatever changes later arrives as an event, and a document only ever
 * moves to a higher version, so the new collection is never behind the old one when the switch comes.
 *
 * A process that fails or dies leaves its progress; the next one goes on from there.
 * @throws Error when another process is at it
 */
export async function rebuild(projection: Projection, parts: Parts): Promise<{ collection: string; filled: number }> {
  const { rebuilds } = parts
  const { name } = projection
  const owner = randomUUID()
  const newCollection = `${name}_${new Date().toISOString().replaceAll(/\D/g, '')}`
  const claimed = await rebuilds.claim(name, owner, newCollection)
  if (!claimed) throw new Error(`a rebuild of ${name} is running in another process`)
  const alive = setInterval(() => void rebuilds.keep(name, owner).catch(() => undefined), 5_000)
  try {
    await parts.readModel.ensureIndexes(claimed.collection)
    await rebuilds.writeAlso(name, claimed.collection)
    await parts.earlierBatchesDone(name)
    const filled = await fill(projection, claimed, parts)
    await rebuilds.switch(name, owner)
    return { collection: claimed.collection, filled }
  } catch (error) {
    await rebuilds.leave(name, owner).catch(() => undefined)
    throw error
  } finally {
    clearInterval(alive)
  }
}

/** Goes on with the filling of a new collection, up to the last user. @returns how many there are in all */
async function fill(
  projection: Projection,
  { collection, owner, ...progress }: Rebuild,
  parts: Parts,
): Promise<number> {
  const { readModel, rebuilds, writeSide, onProgress } = parts
  let { after, filled } = progress
  let page = await writeSide.page(after, pageSize)
  for (;;) {
    // The next page is on its way while this one is written.
    const next = page.next === null ? undefined : writeSide.page(page.next, pageSize)
    next?.catch(() => undefined) // it is awaited below, unless writing this page fails first
    await readModel.advanceIn(
      collection,
      page.snapshots.map((snapshot) => project(projection, eventOfSnapshot(snapshot))),
      { isEmpty: true },
    )
    filled += page.snapshots.length
    after = page.snapshots.at(-1)?.id ?? after
    await rebuilds.progress(projection.name, owner, { after, filled })
    onProgress(filled, page.total)
    if (!next) return filled
    page = await next
  }
}

type Parts = {
  readModel: Pick<ReadModel, 'ensureIndexes' | 'advanceIn'>
  rebuilds: Rebuilds
  writeSide: Pick<WriteSide, 'page'>
  /** Waits until every batch that a consumer was given before now is acknowledged. */
  earlierBatchesDone: (consumer: string) => Promise<void>
  onProgress: (filled: number, total: number) => void
}

const eventOfSnapshot = (snapshot: Snapshot): UserEvent =>
  eventOf(
    snapshot,
    { id: `snapshot of ${snapshot.id}`, source: '/projector', time: new Date().toISOString() },
    { isNew: true },
  )

const pageSize = 1_000
