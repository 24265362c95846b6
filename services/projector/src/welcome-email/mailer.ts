import { Readable } from 'node:stream'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { PermanentFailure, TryLater } from '../consuming/failures.ts'

export type Mail = {
  /** The same for every attempt to send this mail and for no other mail: it becomes the Message-ID. */
  id: string
  to: string
  subject: string
  text: string
  html: string
}

/** Sends mail through an SMTP server, over a pool of connections. */
export class Mailer {
  readonly #transport: ReturnType<typeof pooledTransport>
  readonly #from: string
  #isUp = false
  #refusedAt = Number.NEGATIVE_INFINITY
  #nextCheckAt = 0

  /** @param options.from the sender, as in `Users <no-reply@example.com>` */
  constructor(options: { url: string; from: string }) {
    this.#transport = pooledTransport(options.url)
    this.#transport.use('stream', ({ data, message }, done) => {
      const { beforeEnd } = data as Outgoing
      message.processFunc((content) => Readable.from(endHeldBack(content, beforeEnd), { objectMode: false }))
      done()
    })
    this.#from = options.from
  }

  /** Begins the first check, in the background. */
  start(): void {
    void this.#check()
  }

  /**
   * Returns when the server has accepted the mail.
   * @param beforeEnd awaited when everything but the end of the mail has been sent, without which the server accepts
   * nothing; if it throws, the connection is closed there
   * @throws PermanentFailure when the server will never accept this mail; TryLater when it refuses it for now; any
   * other error when the server is unavailable or accepts no mail. No error contains the address, because errors are
   * logged.
   */
  async send({ id, to, ...content }: Mail, beforeEnd: () => Promise<void>): Promise<void> {
    const messageId = `<${id}@${this.#from.match(/@([^\s>]+)/)?.[1]}>`
    // An object, because a string would be parsed and could be a list of addresses.
    const recipient = { name: '', address: to }
    let isOurs = false
    const heldBack = () =>
      beforeEnd().catch((error) => {
        isOurs = true
        throw error
      })
    const mail: Outgoing = { ...content, messageId, from: this.#from, to: recipient, beforeEnd: heldBack }
    try {
      await this.#transport.sendMail(mail)
      this.#refusedAt = Number.NEGATIVE_INFINITY
    } catch (error) {
      const failure = classify(error as SmtpError)
      const isAboutThisMail = failure instanceof PermanentFailure || failure instanceof TryLater
      if (!isOurs && !isAboutThisMail) this.#refusedAt = Date.now()
      throw failure
    }
  }

  /**
   * Whether the server accepted a connection at the last check, and did not refuse the last mail for a reason that is
   * not the mail's own (forgotten after ten minutes: perhaps there is no other mail to send). Checks run in the background, at most every 5 s, so
   * that a server that hangs does not block the caller.
   */
  isUp(): boolean {
    if (Date.now() >= this.#nextCheckAt) void this.#check()
    return this.#isUp && Date.now() - this.#refusedAt > forgetRefusalMs
  }

  async #check(): Promise<void> {
    this.#nextCheckAt = Date.now() + 5_000
    this.#isUp = await this.#transport.verify().catch(() => false)
  }

  async close(): Promise<void> {
    this.#transport.close()
  }
}

const forgetRefusalMs = 600_000

const pooledTransport = (url: string) =>
  createTransport({
    url,
    pool: true,
    dnsTimeout: 10_000,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    // For each response. A server may scan the mail after its end; a client that gives up then sends it twice (RFC
    // 1047).
    socketTimeout: 20_000,
    // The consumer retries.
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

type SmtpError = Error & { code?: string; command?: string; responseCode?: number }

function classify({ code, command, responseCode = 0 }: SmtpError): Error {
  const summary = `${command ?? 'connection'} failed with ${responseCode || code}`
  // The client itself refuses an address that SMTP cannot express.
  if (code === 'EENVELOPE' && command === 'API') return new PermanentFailure('mail-refused', summary)
  // Only responses to RCPT and DATA are about this mail; 421 means that the server is shutting down (RFC 5321, 3.8).
  if ((command !== 'RCPT TO' && command !== 'DATA') || responseCode === 421) return new Error(summary)
  if (responseCode >= 500) return new PermanentFailure('mail-refused', summary)
  return responseCode >= 400 ? new TryLater(summary) : new Error(summary)
}
