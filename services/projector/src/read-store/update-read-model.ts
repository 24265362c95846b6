import {
  type Applied,
  type AppliedNotice,
  aboutEvent,
  appliedSubject,
  type UserEvent,
  userEventSubjects,
} from '@cqrs/contracts'
import { type Logger, maskEmail } from '@cqrs/service-kit'
import type { Subscriber } from '../consuming/user-consumer.ts'
import { latestEvents } from '../projections/latest-events.ts'
import { project } from '../projections/projection.ts'
import type { ReadModel } from './read-model.ts'

/** The subscriber that applies events to a read model and then publishes which users are at which version. */
export function updateReadModel(
  readModel: Pick<ReadModel, 'projection' | 'advance'>,
  {
    notify,
    logger,
    logsArrivals = false,
  }: {
    notify: (subject: string, notice: AppliedNotice) => void
    logger: Logger
    /** One read model does; the others would only repeat it. */
    logsArrivals?: boolean
  },
): Subscriber {
  const { projection } = readModel

  async function apply(events: UserEvent[]): Promise<void> {
    const latest = latestEvents(events)
    const givenUp = await readModel.advance(latest.map((event) => project(projection, event)))
    for (const err of givenUp) logger.error({ err }, 'a rebuild is given up; events are applied to the live collection')
    notify(appliedSubject(projection.name), { applied: latest.map(toNotice) })
    if (!logger.isLevelEnabled('info')) return
    const read_model = projection.name
    for (const event of events) logger.info({ ...aboutEvent(event), read_model }, 'Read model updated successfully')
  }

  return {
    durable: projection.name,
    filterSubjects: userEventSubjects,
    batchSize: 500,
    ...(logsArrivals && { onReceived: (event) => logReceived(logger, event) }),
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

function logReceived(logger: Logger, event: UserEvent): void {
  if (!logger.isLevelEnabled('info')) return
  const email = 'user' in event.data ? { email: maskEmail(event.data.user.email) } : {}
  logger.info({ ...aboutEvent(event), ...email }, `${event.type} event received`)
}
