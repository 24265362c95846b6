import { pause, show, timed } from '../kit.ts'
import type { Step } from './step.ts'

export const readYourWrites: Step = {
  title: 'Read your writes',
  about:
    'The answer of a command has a Consistency-Token, and a query that gets it waits until the read models ' +
    'have what it stands for. The projector is stopped for a second, so that the difference is large enough to ' +
    'see.',
  document: 'docs/freshness.md',
  pages: ({ pages }) => [pages.docs],
  async run({ system: { processes, client, stranger }, people }) {
    const { user, fresh } = await processes.hold('projector', async () => {
      const user = await people.register()
      const has = ({ data }: { data: { id: string }[] }) => (data.some(({ id }) => id === user.id) ? 'has' : 'lacks')
      const [list, ms] = await timed(() => stranger.listPage({ limit: 5 }))
      show('the list without the token', `${has(list)} the user, after ${ms} ms`)
      const fresh = timed(() => client.listPage({ limit: 5 })).then(([list, ms]) => ({ found: has(list), ms }))
      // It is awaited below; until then a failure is nobody's.
      fresh.catch(() => undefined)
      await pause(1_000)
      return { user, fresh }
    })
    const { found, ms } = await fresh
    show('the list with the token', `${found} the user, after ${ms} ms: it waited for the projector`)
    if (found !== 'has') throw new Error(`a list with the token lacks ${user.id}`)
    return `with the token the list ${found} the new user, without it not yet`
  },
}
