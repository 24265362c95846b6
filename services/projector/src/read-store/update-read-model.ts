import { type Applied, type AppliedNotice, appliedSubject, type UserEvent, userEventSubjects } from '@cqrs/contracts'
import { type Logger, maskEmail } from '@cqrs/service-kit'
import type { Subscriber } from '../consuming/user-consumer.ts'
import { latestEvents } from '../projections/latest-events.ts'
import { project } from '../projections/projection.ts'
import type { ReadModel } from './read-model.ts'

/** The subscriber that applies events to a read model and then publishes which users are at which version. */
export function updateReadModel(
  readModel: Pick<ReadModel, 'projection' | 'advance'>,
  { notify, logger }: { notify: (subject: string, notice: AppliedNotice) => void; logger: Logger },
): Subscriber {
  const { projection } = readModel

  async function apply(events: UserEvent[]): Promise<void> {
    const latest = latestEvents(events)
    const givenUp = await readModel.advance(latest.map((event) => project(projection, event)))
    for (const err of givenUp) logger.error({ err }, 'a rebuild is given up; events are applied to the live collection')
    notify(appliedSubject(projection.name), { applied: latest.map(toNotice) })
    if (!logger.isLevelEnabled('info')) return
    for (const { subject } of latest) logger.info({ user_id: subject }, 'Read model updated successfully')
  }

  return {
    durable: projection.name,
    filterSubjects: userEventSubjects,
    batchSize: 500,
    onReceived: (event) => logReceived(logger, event),
    handle: (events) => {
      const applied = apply(events)
      return events.map(() => applied)
    },
  }
}

/** A deletion revokes every token of the user: each was issued at a lower version. */
function toNotice({ subject, version, data }: UserEvent): Applied {
  const tokensFromVersion = 'user' in data ? data.tokensFromVersion : version
  return tokensFromVersion > 1 ? [subject, version, tokensFromVersion] : [subject, version]
}

function logReceived(logger: Logger, { type, subject, data }: UserEvent): void {
  if (!logger.isLevelEnabled('info')) return
  const email = 'user' in data ? { email: maskEmail(data.user.email) } : {}
  logger.info({ user_id: subject, ...email }, `${type} event received`)
}
