import { show, showWhole, until } from '../kit.ts'
import { caughtUp, type Doc, type System } from '../system.ts'
import type { Step } from './step.ts'

export const erasure: Step = {
  title: 'An erasure',
  about:
    'A user is deleted: its document becomes a tombstone, and its earlier events are deleted from the stream, ' +
    'because they hold personal data. The projector is stopped again, so that these events are still there to ' +
    'be deleted.',
  document: 'docs/security.md#logs-and-personal-data',
  pages: ({ pages }) => [pages.console('users')],
  async run({ system, people }) {
    const { processes, eventsOf, mailsTo } = system
    const { id, email } = await people.register()
    await until('the welcome e-mail', async () => (await mailsTo((to) => to === email)).length)
    const [updated, deleted] = [`users.${id}.updated`, `users.${id}.deleted`]
    await processes.hold('projector', async () => {
      await people.rename(id)
      await people.rename(id)
      await until('both events are in the stream', async () => (await eventsOf(id))[updated] === 2)
      show('in the stream', `2 events on ${updated}`)
      await people.delete(id)
      await until('only the deletion is left', async () => {
        const left = await eventsOf(id)
        return left[deleted] === 1 && !left[updated]
      })
      show('after the deletion', `1 event on ${deleted}, without personal data`)
    })
    await caughtUp(system)
    const found = await documentsOf(system, id)
    for (const [collection, document] of found) showWhole(`left in ${collection}`, document)
    const naming = found.filter(([, document]) => JSON.stringify(document).includes(email))
    show('documents that hold its address', naming.length)
    if (naming.length > 0) throw new Error(`${email} is still stored`)
    return 'only tombstones are left: an id, a version, times'
  },
}

/** What each collection of both databases has of a user. */
async function documentsOf({ write, read }: System, id: string): Promise<[collection: string, document: Doc][]> {
  const found: [string, Doc][] = []
  for (const db of [write, read])
    for (const { name } of await db.listCollections({}, { nameOnly: true }).toArray()) {
      const document = await db.collection<Doc>(name).findOne({ _id: id })
      if (document) found.push([name, document])
    }
  return found
}
