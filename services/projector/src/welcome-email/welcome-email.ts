import type { UserCreated, UserEvent, UserState } from '@cqrs/contracts'
import type { Logger } from '@cqrs/service-kit'
import type { DurableConsumer } from '../consuming/durable-consumer.ts'
import type { Subscriber } from '../consuming/user-consumer.ts'
import type { Mail, Mailer } from './mailer.ts'
import type { WelcomeEmailRecord } from './welcome-email-record.ts'

export const registrations: DurableConsumer = { durable: 'welcome-email', filterSubjects: ['users.*.created'] }

/**
 * Sends one welcome e-mail for each registration, also when the event is delivered twice, to two processes at once, or to
 * another one after a crash: the mail is claimed first, and just before the mail server gets its end, it is recorded as
 * handed over.
 *
 * While the process lives, it learns what became of the mail. A refusal, and a connection that breaks, take the record
 * back, and the mail is tried again: a server is responsible for a mail only once it has said so, and until then the
 * client has to go on (RFC 5321, 4.2.5 and 4.5.3.2.6). Should the answer alone have been lost, the mail comes twice (RFC
 * 1047), with the same Message-ID.
 *
 * A process that dies between the hand-over and the answer leaves a mail of which nobody knows whether it was sent. It
 * is not sent again: at most once. That is the window that cannot be closed.
 */
export function welcomeEmail({
  mailer,
  record,
  logger,
}: {
  mailer: Pick<Mailer, 'send'>
  record: Pick<WelcomeEmailRecord, 'claim' | 'handOver' | 'release' | 'markSent'>
  logger: Logger
}): Subscriber {
  /** Sent, but not on record yet: the database was away just then. */
  const unrecorded = new Set<string>()

  async function welcome({ subject: userId, data }: UserCreated): Promise<void> {
    if (!unrecorded.has(userId)) {
      const claim = await record.claim(userId)
      if (claim === 'unknown') logger.warn({ user_id: userId }, 'a crash leaves unknown whether the welcome was sent')
      if (claim !== 'claimed') return
      logger.info({ user_id: userId }, 'Sending welcome email to user...')
      await send(userId, data.user)
      unrecorded.add(userId)
    }
    await record.markSent(userId)
    unrecorded.delete(userId)
  }

  async function send(userId: string, user: UserState): Promise<void> {
    try {
      await mailer.send(compose(userId, user), () => record.handOver(userId))
    } catch (error) {
      // While this fails, the event is kept and tried again here: another process could not tell what happened.
      await record.release(userId)
      throw error
    }
  }

  return {
    ...registrations,
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
