import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { freePort } from '../ports.ts'
import type { Teardown } from './teardown.ts'

export type ReceivedMail = Email & { envelopeTo: string[] }

export interface FreshMail {
  /** For SMTP_URL. */
  url: string
  /** What was accepted, in this order. */
  mails: ReceivedMail[]
  /** Answers every recipient with this SMTP code (451: try again later, 550: never) until `accept` is called. */
  refuse: (code: 451 | 550) => void
  accept: () => void
  /** Nobody listens any more; `start` listens again at the same address. */
  stop: () => Promise<void>
  start: () => Promise<void>
}

/** A real SMTP server that only this test uses and that keeps what it gets. Stopped at the test's end. */
export async function freshMail(t: Teardown): Promise<FreshMail> {
  const port = await freePort()
  const mails: ReceivedMail[] = []
  let refusal: number | undefined
  const options: SMTPServerOptions = {
    authOptional: true,
    // A client that keeps its connection open must not hold up `stop`.
    closeTimeout: 50,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onRcptTo: (_address, _session, done) =>
      done(refusal ? Object.assign(new Error('refused by the test'), { responseCode: refusal }) : undefined),
    onData: (stream, session, done) => {
      const received = async () => {
        const mail = await PostalMime.parse(await buffer(stream))
        mails.push({ ...mail, envelopeTo: session.envelope.rcptTo.map(({ address }) => address) })
      }
      received().then(() => done(), done)
    },
  }
  let server: SMTPServer | undefined
  const start = async () => {
    server = new SMTPServer(options)
    server.on('error', () => {})
    await once(server.listen(port, '127.0.0.1'), 'listening')
  }
  const stop = async () => {
    const stopping = server
    server = undefined
    if (stopping) await new Promise<void>((done) => stopping.close(() => done()))
  }
  await start()
  t.teardown(stop)
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    refuse: (code) => {
      refusal = code
    },
    accept: () => {
      refusal = undefined
    },
    stop,
    start,
  }
}
