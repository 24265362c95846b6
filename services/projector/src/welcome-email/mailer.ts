import { Readable } from 'node:stream'
import type { Logger } from '@cqrs/service-kit'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { PermanentFailure } from '../consuming/failures.ts'

export type Mail = {
  /** The same for every attempt to send this mail and for no other mail: it becomes the Message-ID. */
  id: string
  to: string
  subject: string
  text: string
  html: string
}

/**
 * What became of a mail: the server accepted it; will never accept it; did not accept this mail for now; or is
 * unavailable for every mail. No error contains the address, because errors are logged.
 */
export type Delivery =
  | { outcome: 'sent' }
  | { outcome: 'refused' | 'deferred'; error: PermanentFailure }
  | { outcome: 'unavailable'; error: Error }

/**
 * Sends mail through an SMTP server, over a pool of connections.
 *
 * The server is unavailable if it accepts no connection, no login or no sender. Then nothing is tried for 1 s, 2 s,
 * 4 s, … up to 5 minutes, and after that one mail at a time until the server responds to one.
 */
export class Mailer {
  /** Why the server is unavailable. */
  reasons: string[] = []
  readonly #transport: ReturnType<typeof pooledTransport>
  readonly #from: string
  readonly #logger: Logger
  #accepts = false
  #checking: Promise<boolean> | undefined
  #nextCheckAt = 0
  #failures = 0
  #backsOffUntil = 0
  /** Whether the server has responded to a mail since it was unavailable, and whether it must do so to be up again. */
  #isProven = false
  #mustProve = false
  #sending = 0

  /** @param options.from the sender, as in `Users <no-reply@example.com>` */
  constructor(options: { url: string; requireTls: boolean; from: string; logger: Logger }) {
    this.#transport = pooledTransport(options)
    this.#transport.use('stream', ({ data, message }, done) => {
      const { beforeEnd } = data as Outgoing
      message.processFunc((content) => Readable.from(endHeldBack(content, beforeEnd), { objectMode: false }))
      done()
    })
    this.#from = options.from
    this.#logger = options.logger
  }

  /** Begins the first check, in the background. */
  start(): void {
    void this.#check()
  }

  /** How many mails may be tried at once: 0 while the server is unavailable. */
  get room(): number {
    if (Date.now() < this.#backsOffUntil) return 0
    return this.#isProven ? mailsAtOnce : Math.max(0, 1 - this.#sending)
  }

  /**
   * Returns when the server has accepted the mail, or has not.
   * @param beforeEnd awaited when everything but the end of the mail has been sent, without which the server accepts
   * nothing; if it throws, the connection is closed there
   */
  async send({ id, to, ...content }: Mail, beforeEnd: () => Promise<void>): Promise<Delivery> {
    if (this.room === 0) return { outcome: 'unavailable', error: new Error('the mail server is unavailable') }
    const messageId = `<${id}@${this.#from.match(/@([^\s>]+)/)?.[1]}>`
    // An object, because a string would be parsed and could be a list of addresses.
    const recipient = { name: '', address: to }
    const mail: Outgoing = { ...content, headers, messageId, from: this.#from, to: recipient, beforeEnd }
    this.#sending++
    try {
      await this.#transport.sendMail(mail)
      this.#responded()
      return { outcome: 'sent' }
    } catch (error) {
      return await this.#classify(error as SmtpError)
    } finally {
      this.#sending--
    }
  }

  /**
   * Whether the server accepted a connection at the last check, and did not refuse the last mail for a reason that is
   * not the mail's own. Checks run in the background, at most every 5 s, so that a server that hangs does not block the
   * caller.
   */
  isUp(): boolean {
    if (Date.now() >= Math.max(this.#nextCheckAt, this.#backsOffUntil)) void this.#check()
    return this.#accepts && this.#failures === 0
  }

  async close(): Promise<void> {
    this.#transport.close()
  }

  async #classify(error: SmtpError): Promise<Delivery> {
    const { code, command, responseCode = 0 } = error
    const summary = summaryOf(error)
    // The client itself refuses an address that SMTP cannot express.
    if (code === 'EENVELOPE' && command === 'API')
      return { outcome: 'refused', error: new PermanentFailure('mail-refused', summary) }
    // Only responses to RCPT and DATA are about this mail; 421 means that the server is shutting down (RFC 5321, 3.8).
    if ((command === 'RCPT TO' || command === 'DATA') && responseCode >= 400 && responseCode !== 421) {
      this.#responded()
      const outcome = responseCode >= 500 ? 'refused' : 'deferred'
      return { outcome, error: new PermanentFailure(`mail-${outcome}`, summary) }
    }
    // The credentials or the sender, which are the same for every mail.
    const isSender = command === 'MAIL FROM' && responseCode !== 421
    if (isSender || code === 'EAUTH') this.#failed(summary, { mustProve: isSender })
    // Otherwise the connection broke or timed out, which one mail alone can cause: does the server accept another?
    else if (await this.#check()) return { outcome: 'deferred', error: new PermanentFailure('mail-deferred', summary) }
    return { outcome: 'unavailable', error: new Error(summary) }
  }

  /** @returns whether the server accepts a connection and the credentials */
  #check(): Promise<boolean> {
    this.#nextCheckAt = Date.now() + 5_000
    const check = async () => {
      try {
        await this.#transport.verify()
        this.#accepts = true
        if (!this.#mustProve) this.#recovered()
      } catch (error) {
        this.#accepts = false
        this.#failed(summaryOf(error as SmtpError), { mustProve: false })
      }
      return this.#accepts
    }
    this.#checking ??= check().finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  #responded(): void {
    this.#accepts = true
    this.#isProven = true
    this.#mustProve = false
    this.#recovered()
  }

  #recovered(): void {
    if (this.#failures > 0) this.#logger.info('the mail server is available again')
    this.reasons = []
    this.#failures = 0
    this.#backsOffUntil = 0
  }

  /** Mails in progress fail together, which counts once. */
  #failed(summary: string, { mustProve }: { mustProve: boolean }): void {
    if (Date.now() < this.#backsOffUntil) return
    if (this.#failures === 0) this.#logger.warn({ detail: summary }, 'the mail server is unavailable')
    this.reasons = [`the mail server is unavailable: ${summary}`]
    this.#isProven = false
    this.#mustProve ||= mustProve
    const backOffMs = Math.min(1_000 * 2 ** this.#failures++, 300_000)
    this.#backsOffUntil = Date.now() + backOffMs * (0.75 + Math.random() / 2)
  }
}

const mailsAtOnce = 10

/** So that no absence note answers (RFC 3834, 5). */
const headers = { 'auto-submitted': 'auto-generated' }

/** @param requireTls whether it sends nothing before STARTTLS; without it, TLS is used if the server offers it */
const pooledTransport = ({ url, requireTls }: { url: string; requireTls: boolean }) =>
  createTransport({
    // In the URL, because its options replace those given here.
    url: requireTls ? `${url}${url.includes('?') ? '&' : '?'}requireTLS=true` : url,
    pool: true,
    dnsTimeout: 10_000,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    // For each response. A server may scan the mail after its end; a client that gives up then sends it twice (RFC
    // 1047).
    socketTimeout: 20_000,
    // The record of welcome e-mails decides when to retry.
    maxRequeues: 0,
    disableFileAccess: true,
    disableUrlAccess: true,
  })

type Outgoing = SendMailOptions & { beforeEnd: () => Promise<void> }

/** A stream that is read only when the server asks for the mail; a Transform would finish a short mail before. */
async function* endHeldBack(content: Readable, until: () => Promise<void>): AsyncGenerator<Buffer> {
  yield* content
  await until()
}

type SmtpError = Error & { code?: string; originalCode?: string; command?: string; responseCode?: number }

/** Without the text, which can quote addresses. */
const summaryOf = ({ code, originalCode, command = 'connection', responseCode }: SmtpError): string =>
  command === 'STARTTLS' ? 'it offers no STARTTLS' : `${command} failed with ${responseCode || originalCode || code}`
