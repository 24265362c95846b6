import { readModelsCollection } from '@cqrs/contracts'
import { bar, drawWhile, pause, show, timed } from '../kit.ts'
import { caughtUp } from '../system.ts'
import type { Step } from './step.ts'

type Progress = { _id: string; rebuild?: { filled: number; total?: number } }

export const rebuild: Step = {
  title: 'A rebuild under load',
  about:
    'A read model is filled from the write side into a new collection, beside the one that queries read, while ' +
    'both get every event. Then one write switches queries to the new one.',
  document: 'docs/upgrading.md#a-new-shape-of-a-read-model',
  pages: ({ pages }) => [pages.console('read-models'), pages.console('audit')],
  async run({ system, people }) {
    const states = system.read.collection<Progress>(readModelsCollection)
    const before = (await system.usersRead()).collectionName
    const [shape = ''] = /^users_read_v\d+/.exec(before) ?? []
    if ((await states.findOne({ _id: shape }))?.rebuild) throw new Error(`another rebuild of ${shape} is under way`)
    show('queries read', before)
    show('npm run projector --', `rebuild ${shape}`)
    let isOver = false
    const rebuilding = system
      .operator('rebuild', shape)
      .catch(async (error) => {
        // Ctrl-C ends it as well, and its half-filled collection is given up.
        await system.operator('rebuild', shape, '--abandon').catch(() => undefined)
        throw error
      })
      .finally(() => {
        isOver = true
      })
    let queries = 0
    let slowestMs = 0
    const load = async () => {
      while (!isOver) {
        await people.rename()
        const [, ms] = await timed(() => system.stranger.listPage({ limit: 20 }))
        slowestMs = Math.max(slowestMs, ms)
        queries++
        await pause(5)
      }
    }
    let percent = 0
    const ended = await drawWhile(Promise.allSettled([rebuilding, load(), load()]), async () => {
      const { filled = 0, total = 0 } = (await states.findOne({ _id: shape }))?.rebuild ?? {}
      percent = isOver ? 100 : Math.max(percent, Math.round((filled / (total || 1)) * 100))
      return [`${bar(shape, percent, 100)} %`]
    })
    for (const one of ended) if (one.status === 'rejected') throw one.reason
    const after = (await system.usersRead()).collectionName
    show('it says', await rebuilding)
    show('queries read', after)
    show('during it', `${queries} queries and ${queries} updates answered, 0 failed; slowest query ${slowestMs} ms`)
    if (after === before) throw new Error('the rebuild did not switch')
    await caughtUp(system)
    await people.checkNoneLost()
    return `queries switched from ${before} to ${after}; ${queries} answered during it, 0 changes lost`
  },
}
