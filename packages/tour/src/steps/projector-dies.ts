import { drawWhile, show, timed, until } from '../kit.ts'
import { caughtUp } from '../system.ts'
import { LagBars } from './lag-bars.ts'
import type { Step } from './step.ts'

export const projectorDies: Step = {
  title: 'The projector dies',
  about:
    'The projector is killed (kill -9) and `npm start` starts another one, as Kubernetes would. Until then ' +
    'commands and queries work, events wait in the stream, and afterwards it resumes where it stopped.',
  document: 'docs/reliability.md#command-api-projector-query-api',
  pages: ({ pages }) => [pages.console('overview')],
  async run({ system, people }) {
    const { processes, stranger, readinessOf } = system
    const killed = await processes.kill('projector')
    show('killed', `the projector, process ${killed}`)
    let changes = 0
    const changeUntilBack = () =>
      until('the projector is back', async () => {
        await people.rename()
        await stranger.listPage({ limit: 5 })
        changes++
        if ((await readinessOf('projector')).status !== 'ready') return undefined
        const pid = await processes.pidOf('projector')
        return pid !== killed && pid
      })
    const work = async () => [await timed(changeUntilBack), await timed(() => caughtUp(system))] as const
    const bars = new LagBars(system)
    const [[pid, ms], [, caughtUpMs]] = await drawWhile(work(), () => bars.lines())
    show('while it was dead', `${changes} commands and ${changes} queries answered, lag up to ${bars.highest}`)
    show('back', `process ${pid}, after ${ms} ms`)
    show('lag back to 0', `${caughtUpMs} ms later`)
    await people.checkNoneLost()
    return `${changes} changes while the projector was dead, 0 lost`
  },
}
