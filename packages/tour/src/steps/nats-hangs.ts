import { bar, drawWhile, perSecond, show, showWhole, timed, times, until, waitForKey } from '../kit.ts'
import { caughtUp } from '../system.ts'
import type { Step } from './step.ts'

export const natsHangs: Step = {
  title: 'NATS hangs',
  about:
    'NATS is stopped (SIGSTOP), which looks like a cut network. Commands are answered as before, because each ' +
    'event waits in the outbox of its user; the relay publishes them when NATS is back.',
  document: 'docs/operations.md#when-a-dependency-is-unavailable',
  pages: ({ pages }) => [pages.console('outbox')],
  async run({ system, people, commands }) {
    const { processes, stranger, users, readinessOf, metricsOf, pages } = system
    const inOutbox = () => users.countDocuments({ pendingSince: { $exists: true } })
    const waited = await processes.hold('nats', async (pid) => {
      show('NATS is stopped', `process ${pid}`)
      const [, ms] = await timed(() => times(commands, () => people.rename()))
      show('commands answered', `${commands}, ${perSecond(commands, ms)} a second`)
      const [, queryMs] = await timed(() => stranger.listPage({ limit: 5 }))
      show('a query, on the last applied state', `answered after ${queryMs} ms`)
      const waiting = await inOutbox()
      show('users with events in the outbox', waiting)
      const one = await users.findOne({ pendingSince: { $exists: true } }, { projection: { outbox: { $slice: 1 } } })
      showWhole('the oldest event in the outbox of one', (one?.['outbox'] as unknown[] | undefined)?.[0])
      const { status } = await until('command-api notices', async () => {
        const readiness = await readinessOf('command-api')
        return readiness.status !== 'ready' && readiness
      })
      show('command-api says of itself', `${status}: nats is down`)
      const places = [`${metricsOf('command-api')} outbox_pending_users`, `${pages.console('overview')} what is wrong`]
      await waitForKey('NATS continues', places)
      return waiting
    })
    const [, ms] = await timed(() =>
      drawWhile(
        until('the outbox is empty', async () => (await inOutbox()) === 0),
        async () => [bar('outbox', await inOutbox(), waited)],
      ),
    )
    show('NATS continues: outbox empty', `after ${ms} ms`)
    await caughtUp(system)
    show('lag', 'back to 0')
    await people.checkNoneLost()
    return `${commands} changes without NATS, ${waited} users in the outbox, 0 lost`
  },
}
