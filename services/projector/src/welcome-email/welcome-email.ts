import {
  aboutEvent,
  envelopeOf,
  type UserCreated,
  type UserEvent,
  type UserReadDocument,
  type UserState,
} from '@cqrs/contracts'
import { Counter, type Logger, tracing } from '@cqrs/service-kit'
import type { DurableConsumer } from '../consuming/durable-consumer.ts'
import type { PermanentFailure } from '../consuming/failures.ts'
import type { Subscriber } from '../consuming/user-consumer.ts'
import type { Mail, Mailer } from './mailer.ts'
import type { DueMail, Registration, WelcomeEmailRecord } from './welcome-email-record.ts'

export const registrations: DurableConsumer = { durable: 'welcome-email', filterSubjects: ['users.*.created'] }

/**
 * How long a mail that the server does not accept is tried; RFC 5321 (4.5.4.1) asks for several days. An older
 * registration, from a restored or very late stream, is not welcomed: the record of its mail may be lost.
 */
const giveUpAfterMs = 3 * 24 * 60 * 60 * 1_000

/**
 * Sends one welcome e-mail for each registration, also when the event is delivered twice, to two processes at once, or
 * to another one after a crash: the mail is claimed first, and recorded as handed over just before its end is sent.
 *
 * A mail that is not accepted waits in the record and not in the stream, where it would hold up others, so the event
 * is handled then. `sendDue` sends the mails that wait, and gives up after some days: they become dead letters.
 *
 * A process that lives learns the outcome. After a refusal or a broken connection, the mail is retried: the server is
 * responsible for a mail only after it has accepted it, and until then the client has to retry (RFC 5321, 4.2.5 and
 * 4.5.3.2.6). If only the response was lost, the mail arrives twice, with the same Message-ID (RFC 1047).
 *
 * If a process dies between the hand-over and the response, nobody can know whether the mail was sent. It is not sent
 * again: at most once.
 */
export function welcomeEmail({ mailer, record, setAside, logger }: Parts): WelcomeEmail {
  /** The users whose mail this process is sending. */
  const inProgress = new Set<string>()
  /** Sent, but not recorded yet, because the database was unavailable. */
  const unrecorded = new Set<string>()
  /** Mails that waited and whose outcome is not recorded yet. */
  const unfinished = new Map<string, DueMail>()

  /** @returns why the mail is given up; it is claimed still */
  async function deliver(mail: Registration, user: Recipient): Promise<PermanentFailure | undefined> {
    const { userId, registeredAt, about = { user_id: userId } } = mail
    if (!unrecorded.has(userId)) {
      const claim = await record.claim(mail)
      if (claim === 'lost') mails.inc({ outcome: 'unknown' })
      if (claim === 'lost')
        logger.warn(about, 'welcome e-mail may not have been sent: a process crashed during delivery; not retrying')
      if (claim !== 'claimed') return undefined
      logger.info(about, 'Sending welcome email to user...')
      // While recording the outcome fails, this process retries: another one could not know it.
      const send = () => mailer.send(compose(userId, user), () => record.handOver(userId))
      const delivery = await tracing.inSpan({ name: 'send welcome e-mail', kind: 'CLIENT', cause: mail }, send)
      mails.inc({ outcome: delivery.outcome === 'unavailable' ? 'deferred' : delivery.outcome })
      if (delivery.outcome === 'refused' || (delivery.outcome === 'deferred' && isOld(registeredAt)))
        return delivery.error
      if (delivery.outcome !== 'sent') {
        logger.info({ ...about, detail: delivery.error.message }, 'welcome e-mail waits for another attempt')
        await record.defer(userId, { counts: delivery.outcome === 'deferred' })
        return undefined
      }
      unrecorded.add(userId)
    }
    await record.markSent(userId)
    unrecorded.delete(userId)
    return undefined
  }

  async function welcome(event: UserCreated): Promise<void> {
    const { subject: userId, time, data, traceparent } = event
    const mail = { userId, registeredAt: new Date(time), about: aboutEvent(event), traceparent }
    // It waited, so it is recorded.
    if (inProgress.has(userId)) return
    inProgress.add(userId)
    try {
      const failure = await deliver(mail, data.user)
      if (!failure) return
      await record.release(userId)
      throw failure
    } finally {
      inProgress.delete(userId)
    }
  }

  /** @returns whether it was tried */
  async function retry(mail: DueMail): Promise<boolean> {
    const { userId, registeredAt, user } = mail
    if (inProgress.has(userId)) return false
    inProgress.add(userId)
    unfinished.set(userId, mail)
    try {
      if (user) {
        const failure = await deliver(mail, user)
        if (failure) await setAside(registrationOf(user), failure)
        if (failure) await record.release(userId)
      } else if ((await record.claim(mail)) === 'claimed') {
        // The read model does not show the user yet.
        await (isOld(registeredAt) ? record.release(userId) : record.defer(userId, { counts: true }))
      }
      unfinished.delete(userId)
      return true
    } finally {
      inProgress.delete(userId)
    }
  }

  return {
    ...registrations,
    maxAgeMs: giveUpAfterMs,
    batchSize: 10,
    handle: (events) => {
      // One per user: two deliveries of one registration in a batch would both find that no mail was sent.
      const welcomes = new Map<string, Promise<void>>()
      for (const event of events.filter(isRegistration)) {
        if (!welcomes.has(event.subject)) welcomes.set(event.subject, welcome(event))
      }
      return events.map(({ subject }) => welcomes.get(subject) ?? Promise.resolve())
    },
    async sendDue() {
      const room = mailer.room
      if (room === 0) return 0
      const free = room - unfinished.size
      const due = [...unfinished.values(), ...(free > 0 ? await record.due(free) : [])]
      const results = await Promise.allSettled(due.map(retry))
      const failed = results.find((result) => result.status === 'rejected')
      if (failed) throw failed.reason
      return results.filter((result) => result.status === 'fulfilled' && result.value).length
    },
  }
}

export type WelcomeEmail = Subscriber & {
  /**
   * Tries some of the mails that wait. @returns how many
   * @throws the error of the database, or of NATS, when an outcome could not be recorded; the next call repeats that
   */
  sendDue: () => Promise<number>
}

type Parts = {
  mailer: Pick<Mailer, 'send' | 'room'>
  record: Pick<WelcomeEmailRecord, 'claim' | 'handOver' | 'defer' | 'due' | 'release' | 'markSent'>
  /** Stores the registration as a dead letter. */
  setAside: (event: UserCreated, failure: PermanentFailure) => Promise<void>
  logger: Logger
}

const mails = new Counter({
  name: 'welcome_emails_total',
  help: 'Attempts to send a welcome e-mail; `unknown`: a process crashed during delivery',
  labelNames: ['outcome'],
})
for (const outcome of ['sent', 'deferred', 'refused', 'unknown']) mails.inc({ outcome }, 0)

type Recipient = Pick<UserState, 'email' | 'name'>

const isOld = (registeredAt: Date): boolean => Date.now() - registeredAt.getTime() > giveUpAfterMs

const isRegistration = (event: UserEvent): event is UserCreated => event.type === 'UserCreated'

/** The registration again, for its dead letter: the original has left the stream. */
function registrationOf(document: UserReadDocument): UserCreated {
  const { _id: id, email, name, roles, isActive, createdAt, updatedAt, version, tokensFromVersion } = document
  const state = { id, email, name, roles, isActive }
  const times = { createdAt: createdAt.toISOString(), updatedAt: updatedAt.toISOString() }
  return {
    ...envelopeOf({ id, version }, { id: `welcome.${id}`, source: '/projector', time: new Date().toISOString() }),
    type: 'UserCreated',
    data: { user: { ...state, ...times }, tokensFromVersion },
  }
}

/**
 * Anyone can register with any name and someone else's address. So the name is only in the body, as text, and is left
 * out if it could carry a message: mail clients make a link of anything like one.
 */
function compose(userId: string, { email, name }: Recipient): Mail {
  const greeting = carriesMessage.test(name) ? 'Hello' : `Hello ${name}`
  return {
    id: `welcome.${userId}`,
    to: email,
    subject: 'Welcome',
    text: `${greeting},\n\nyour account is ready.\n`,
    html: `<p>${escapeHtml(greeting)},</p><p>your account is ready.</p>`,
  }
}

/** Control and direction characters, which no new name has; an address; a link, or a domain as in `evil.example`. */
const carriesMessage = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}@/\\]|:\w|[\p{L}\p{N}]\.\p{L}{2}/u

const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
