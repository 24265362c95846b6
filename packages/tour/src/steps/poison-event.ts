import { deadLetterStream } from '@cqrs/contracts'
import { jetstream } from '@nats-io/jetstream'
import { show, showWhole, timed, until, waitForKey } from '../kit.ts'
import { caughtUp, type System } from '../system.ts'
import type { Step } from './step.ts'

/** There is no user with this id. */
const userId = '00000000-0000-7000-8000-00000000dead'

/** Of this tour and of one that was killed. */
export const dropOurLetters = ({ streams }: System): Promise<unknown> =>
  streams.purge(deadLetterStream.name, { filter: `users_dlq.*.${userId}` })

export const poisonEvent: Step = {
  title: 'A poison event',
  about:
    'An event that no release can read is published, as a bug or a stranger could. Each consumer sets it aside ' +
    'as a dead letter, with the reason, and everything else flows.',
  document: 'docs/operations.md#messages-that-cannot-be-applied',
  pages: () => [],
  async run({ system, people }) {
    const { nats, stranger, operator, pages } = system
    const event = JSON.stringify({ specversion: '1.0', type: 'UserTeleported', subject: userId })
    await jetstream(nats).publish(`users.${userId}.updated`, event)
    show('published', event)
    const { id, version } = await people.rename()
    const [, ms] = await timed(() =>
      until('the next change is visible', async () => (await stranger.getUser(id)).version >= version),
    )
    show('the next change of a user is visible', `after ${ms} ms`)
    await caughtUp(system)
    const consumers = (await system.deadLettersOf(userId)).map((subject) => subject.split('.')[1])
    show('dead letters', `${consumers.length}: ${consumers.join(', ')}`)
    if (consumers.length === 0) throw new Error('no dead letter was found')
    const listed = (await operator('dlq', 'list')).split('\n').filter((line) => line.includes(userId))
    showWhole('npm run projector -- dlq list', listed.join('\n'))
    await waitForKey('drop them', [pages.console('dead-letters')])
    for (const line of listed) await operator('dlq', 'drop', line.split(' ')[0] as string)
    show('dropped with `dlq drop`', `${listed.length}; left: ${(await system.deadLettersOf(userId)).length}`)
    return `${listed.length} dead letters, one for each consumer, and nothing else waited`
  },
}
