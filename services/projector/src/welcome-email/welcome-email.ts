import type { UserCreated, UserEvent, UserState } from '@cqrs/contracts'
import type { Logger } from '@cqrs/service-kit'
import type { DurableConsumer } from '../consuming/durable-consumer.ts'
import type { Subscriber } from '../consuming/user-consumer.ts'
import type { Mail, Mailer } from './mailer.ts'
import type { WelcomeEmailRecord } from './welcome-email-record.ts'

export const registrations: DurableConsumer = { durable: 'welcome-email', filterSubjects: ['users.*.created'] }

/**
 * Sends one welcome e-mail for each registration, also when the event is delivered twice, to two processes at once, or
 * to another one after a crash: the mail is claimed first, and recorded as handed over just before its end is sent.
 *
 * A process that lives learns the outcome. A refusal or a broken connection removes the record, and the mail is
 * retried: the server is responsible for a mail only after it has accepted it, and until then the client has to retry
 * (RFC 5321, 4.2.5 and 4.5.3.2.6). If only the response was lost, the mail arrives twice, with the same Message-ID (RFC
 * 1047).
 *
 * If a process dies between the hand-over and the response, nobody can know whether the mail was sent. It is not sent
 * again: at most once.
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
  /** Sent, but not recorded yet, because the database was unavailable. */
  const unrecorded = new Set<string>()

  async function welcome({ subject: userId, data }: UserCreated): Promise<void> {
    if (!unrecorded.has(userId)) {
      const claim = await record.claim(userId)
      if (claim === 'unknown')
        logger.warn(
          { user_id: userId },
          'welcome e-mail may not have been sent: a process crashed during delivery; not retrying',
        )
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
      // While this fails, the event is kept and retried here: another process could not know the outcome.
      await record.release(userId)
      throw error
    }
  }

  return {
    ...registrations,
    batchSize: 10,
    handle: (events) => {
      // One per user: two deliveries of one registration in a batch would both find that no mail was sent.
      const welcomes = new Map<string, Promise<void>>()
      for (const event of events.filter(isRegistration)) {
        if (!welcomes.has(event.subject)) welcomes.set(event.subject, welcome(event))
      }
      return events.map(({ subject }) => welcomes.get(subject) ?? Promise.resolve())
    },
  }
}

const isRegistration = (event: UserEvent): event is UserCreated => event.type === 'UserCreated'

/** Anyone can register with any name and someone else's address, so the name is only in the body, as text. */
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
