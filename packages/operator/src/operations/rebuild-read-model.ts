import { eventOf, type PageReply } from '@cqrs/contracts'
import { project, type ReadModel, type WriteSide } from '@cqrs/projector'
import type { RebuildRecord } from './rebuild-record.ts'

/**
 * Fills a new collection beside the live one and then makes it live, while queries and events continue.
 *
 * First every projector applies events to both. When no batch is in progress that began before that, the write side is
 * asked for all users, page by page. Later changes arrive as events, and a document only ever moves to a higher
 * version, so the new collection is never behind the old one when it becomes live.
 *
 * A rebuild that fails or is killed leaves its progress, and the next one resumes there.
 * @param rebuilding.earlierBatchesDone waits until every batch that a consumer received before now is acknowledged
 * @param rebuilding.onProgress called after each page
 * @returns the new collection and how many users it was filled with
 * @throws Error while another process rebuilds this read model
 */
export async function rebuildReadModel(
  readModel: Pick<ReadModel, 'projection' | 'ensureIndexes' | 'advanceIn'>,
  rebuilding: {
    record: RebuildRecord
    writeSide: Pick<WriteSide, 'page'>
    earlierBatchesDone: (consumer: string) => Promise<void>
    onProgress: (filled: number, total: number) => void
  },
): Promise<{ collection: string; filled: number }> {
  const { projection } = readModel
  const { record, writeSide, earlierBatchesDone, onProgress } = rebuilding
  const claimed = await record.claim(`${projection.name}_${new Date().toISOString().replaceAll(/\D/g, '')}`)
  if (!claimed) throw new Error(`a rebuild of ${projection.name} is running in another process`)
  const { collection } = claimed
  let { after, filled } = claimed
  const origin = { source: '/projector', time: new Date().toISOString() }
  const renewal = setInterval(() => void record.keep().catch(() => undefined), 5_000)
  try {
    await readModel.ensureIndexes(collection)
    await record.writeAlso(collection)
    await earlierBatchesDone(projection.name)
    for await (const { snapshots, total } of pages(writeSide, after)) {
      const documents = snapshots.map((snapshot) =>
        project(projection, eventOf(snapshot, { ...origin, id: `snapshot of ${snapshot.id}` })),
      )
      await readModel.advanceIn(collection, documents, { isEmpty: true })
      filled += snapshots.length
      after = snapshots.at(-1)?.id ?? after
      await record.progress({ after, filled, total })
      onProgress(filled, total)
    }
    await record.switch()
    return { collection, filled }
  } catch (error) {
    await record.leave().catch(() => undefined)
    throw error
  } finally {
    clearInterval(renewal)
  }
}

/** All pages after an id. The next page is requested while the caller stores this one. */
async function* pages(writeSide: Pick<WriteSide, 'page'>, after: string): AsyncGenerator<PageReply> {
  let page = await writeSide.page(after, pageSize)
  for (;;) {
    const next = page.next === null ? undefined : writeSide.page(page.next, pageSize)
    next?.catch(() => undefined) // it is awaited below, unless storing this page fails first
    yield page
    if (!next) return
    page = await next
  }
}

/** As many users with the longest names and addresses are below the 1 MB that NATS takes in one message. */
const pageSize = 500
