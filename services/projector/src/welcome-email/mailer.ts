import { Readable } from 'node:stream'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { PermanentFailure, TryLater } from '../consuming/failures.ts'

export type Mail = {
  /** The same for every try to send this mail, and for no other mail: it becomes the Message-ID. */
  id: string
  to: string
  subject: string
  text: string
  html: string
}

/** Sends mail through an SMTP server, over a few connections that are kept open. */
export class Mailer {
  readonly #transport: ReturnType<typeof pooledTransport>
  readonly #from: string
  #isUp = false
  #nextLookAt = 0

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

  /** Begins to look whether the server is up, so that the first answer of `isUp` is soon right. */
  start(): void {
    void this.#look()
  }

  /**
   * Returns when the server has taken the mail.
   * @param beforeEnd awaited when the server has been sent the whole mail but for its end, without which it takes none;
   * if it throws, the connection is cut there
   * @throws PermanentFailure when it never will; TryLater when it does not want this mail now; any other error when the
   * server is away or takes no mail at all. No error holds the address: they end in logs.
   */
  async send({ id, to, ...content }: Mail, beforeEnd: () => Promise<void>): Promise<void> {
    const messageId = `<${id}@${this.#from.match(/@([^\s>]+)/)?.[1]}>`
    // As an object the address is taken as it is; a string would be parsed, and could be a list.
    const recipient = { name: '', address: to }
    const mail: Outgoing = { ...content, messageId, from: this.#from, to: recipient, beforeEnd }
    try {
      await this.#transport.sendMail(mail)
    } catch (error) {
      throw classify(error as SmtpError)
    }
  }

  /**
   * Whether the server takes our connections, as of the last look. It is looked at in the background, at most every 5 s:
   * a server that hangs must not hold up who asks.
   */
  isUp(): boolean {
    if (Date.now() >= this.#nextLookAt) void this.#look()
    return this.#isUp
  }

  async #look(): Promise<void> {
    this.#nextLookAt = Date.now() + 5_000
    this.#isUp = await this.#transport.verify().catch(() => false)
  }

  async close(): Promise<void> {
    this.#transport.close()
  }
}

const pooledTransport = (url: string) =>
  createTransport({
    url,
    pool: true,
    dnsTimeout: 10_000,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    // For each answer. Scanners of mail take their time after its end, and who gives up then sends it twice (RFC 1047).
    socketTimeout: 20_000,
    // Trying again is the consumer's business.
    maxRequeues: 0,
    disableFileAccess: true,
    disableUrlAccess: true,
  })

type Outgoing = SendMailOptions & { beforeEnd: () => Promise<void> }

/** Read only when the server has asked for the mail; a Transform would be through with a short one long before. */
async function* endHeldBack(content: Readable, until: () => Promise<void>): AsyncGenerator<Buffer> {
  yield* content
  await until()
}

type SmtpError = Error & { code?: string; command?: string; responseCode?: number }

function classify({ code, command, responseCode = 0 }: SmtpError): Error {
  const summary = `${command ?? 'connection'} failed with ${responseCode || code}`
  // An address that has no place in SMTP is refused by the client itself.
  if (code === 'EENVELOPE' && command === 'API') return new PermanentFailure('mail-refused', summary)
  // Of the answers only those to RCPT and DATA are about this mail; 421 says that the server is closing down.
  if ((command !== 'RCPT TO' && command !== 'DATA') || responseCode === 421) return new Error(summary)
  if (responseCode >= 500) return new PermanentFailure('mail-refused', summary)
  return responseCode >= 400 ? new TryLater(summary) : new Error(summary)
}
