import type { UserCreated, UserEvent, UserState } from '@cqrs/contracts'
import type { Logger } from '@cqrs/service-kit'
import type { Mail, Mailer } from '../adapters/mailer.ts'
import type { Subscriber } from '../adapters/user-consumer.ts'
import type { WelcomeEmailRecord } from '../adapters/welcome-email-record.ts'

/**
 * Sends one welcome e-mail for each registration. An event that is delivered twice finds the record of the first time.
 * What remains is the moment between the mail server's answer and the record: a process that dies right there sends the
 * mail again, with the same Message-ID.
 */
export function welcomeEmail({ mailer, record, logger }: Dependencies): Subscriber {
  /** Sent, but not on record yet: the database was away just then. */
  const unrecorded = new Set<string>()

  async function welcome({ subject: userId, data }: UserCreated): Promise<void> {
    if (!unrecorded.has(userId)) {
      if (!(await record.isDue(userId))) return
      logger.info({ user_id: userId }, 'Sending welcome email to user...')
      await mailer.send(compose(userId, data.user))
      unrecorded.add(userId)
    }
    await record.markSent(userId)
    unrecorded.delete(userId)
  }

  return {
    durable: 'welcome-email',
    filterSubjects: ['users.*.created'],
    batchSize: 10,
    handle: (events) => {
      // By user: two deliveries of one registration, side by side, would both find that none was sent.
      const welcomes = new Map<string, Promise<void>>()
      for (const event of events.filter(isRegistration)) {
        if (!welcomes.has(event.subject)) welcomes.set(event.subject, welcome(event))
      }
      return events.map(({ subject }) => welcomes.get(subject) ?? Promise.resolve())
    },
  }
}

type Dependencies = {
  mailer: Pick<Mailer, 'send'>
  record: Pick<WelcomeEmailRecord, 'isDue' | 'markSent'>
  logger: Logger
}

const isRegistration = (event: UserEvent): event is UserCreated => event.type === 'UserCreated'

/** Anyone can register with any name and someone else's address, so the name is nowhere but in the body, as text. */
function compose(userId: string, { email, name }: UserState): Mail {
  return {
    id: `welcome.${userId}`,
    to: email,
    subject: 'Welcome',
    text: `Hello ${name.replaceAll(/\p{Cc}+/gu, ' ')},\n\nyour account is ready.\n`,
    html: `<p>Hello ${escapeHtml(name)},</p><p>your account is ready.</p>`,
  }
}

const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
