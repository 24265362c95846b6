import { drawWhile, perSecond, show, timed, times, until } from '../kit.ts'
import { caughtUp } from '../system.ts'
import { LagBars } from './lag-bars.ts'
import type { Step } from './step.ts'

export const lag: Step = {
  title: 'The lag',
  about:
    'Each read model has a consumer of its own, and its lag is the number of events that it has not handled. ' +
    'Commands never wait for it, so a query can be a moment behind.',
  document: 'docs/operations.md#what-runs-and-how-far-it-is',
  pages: ({ pages, metricsOf }) => [
    pages.console('overview'),
    `${metricsOf('command-api')} consumer_unhandled_messages`,
  ],
  async run({ system, people, commands }) {
    const users = Math.max(5, Math.ceil(commands / 10))
    await times(users, () => people.register())
    const renameAll = () => times(commands, () => people.rename())
    const work = async () => [await timed(renameAll), await timed(() => caughtUp(system))] as const
    const bars = new LagBars(system)
    const [[, ms], [, caughtUpMs]] = await drawWhile(work(), () => bars.lines())
    show(`${users} registrations, then`, `${commands} updates, ${perSecond(commands, ms)} a second`)
    show('highest lag of a read model', `${bars.highest} events`)
    show('lag back to 0', `${caughtUpMs} ms after the last answer`)

    const visible: number[] = []
    for (let i = 0; i < 11; i++) {
      const { id, version } = await people.rename()
      const isVisible = async () => (await system.stranger.getUser(id)).version >= version
      const [, ms] = await timed(() => until('the change is visible', isVisible))
      visible.push(ms)
    }
    visible.sort((one, other) => one - other)
    show('from the answer until visible', `${visible[5]} ms, at most ${visible.at(-1)} ms (11 times)`)
    return `${commands} updates: lag at most ${bars.highest} events, visible after ${visible[5]} ms`
  },
}
