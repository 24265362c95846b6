import { type AppliedNotice, appliedSubject, type UserEvent, usersStream } from '@cqrs/contracts'
import { type Logger, maskEmail } from '@cqrs/service-kit'
import type { ReadModel } from './adapters/read-model.ts'
import type { Subscriber } from './adapters/user-consumer.ts'
import { latestEvents } from './projections/latest-events.ts'
import { type Projection, project } from './projections/projection.ts'

/** What the consumer of a projection does with events: brings the read model up to them, then gives notice of it. */
export function updateReadModel(projection: Projection, { readModel, notify, logger }: Dependencies): Subscriber {
  async function apply(events: UserEvent[]): Promise<void> {
    const documents = latestEvents(events).map((event) => project(projection, event))
    await readModel.advance(documents)
    notify(appliedSubject(projection.name), { applied: documents.map(({ _id, version }) => [_id, version]) })
    if (!logger.isLevelEnabled('info')) return
    for (const { _id } of documents) logger.info({ user_id: _id }, 'Read model updated successfully')
  }

  return {
    durable: projection.name,
    filterSubjects: usersStream.subjects,
    batchSize: 500,
    onReceived: (event) => logReceived(logger, event),
    handle: (events) => {
      const applied = apply(events)
      return events.map(() => applied)
    },
  }
}

type Dependencies = {
  readModel: Pick<ReadModel, 'advance'>
  notify: (subject: string, notice: AppliedNotice) => void
  logger: Logger
}

function logReceived(logger: Logger, { type, subject, data }: UserEvent): void {
  if (!logger.isLevelEnabled('info')) return
  const email = 'user' in data ? { email: maskEmail(data.user.email) } : {}
  logger.info({ user_id: subject, ...email }, `${type} event received`)
}
