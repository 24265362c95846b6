import { once } from 'node:events'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { freePort } from '../ports.ts'
import type { Teardown } from './teardown.ts'

export type ReceivedMail = Email & { envelopeTo: string[] }

export type FreshMail = {
  /** For SMTP_URL. */
  url: string
  /** What was accepted, in this order. */
  mails: ReceivedMail[]
  /** Answers every recipient with this SMTP code (451: try again later, 550: never) until `accept` is called. */
  refuse: (code: 451 | 550) => void
  /** Takes the whole of a mail and never answers, until `accept` is called. */
  hang: () => void
  /** Cuts every connection as soon as a mail comes in, before it is taken, until `accept` is called. */
  dieInDelivery: () => void
  accept: () => void
  /** Nobody listens any more; `start` listens again at the same address. */
  stop: () => Promise<void>
  start: () => Promise<void>
}

/** A real SMTP server that only this test uses and that keeps what it gets. Stopped at the test's end. */
export async function freshMail(t: Teardown): Promise<FreshMail> {
  const port = await freePort()
  const mails: ReceivedMail[] = []
  let mood: 451 | 550 | 'hangs' | 'dies' | undefined
  const options: SMTPServerOptions = {
    authOptional: true,
    // A client that keeps its connection open must not hold up `stop`.
    closeTimeout: 50,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onRcptTo: (_address, _session, done) =>
      done(
        typeof mood === 'number' ? Object.assign(new Error('refused by the test'), { responseCode: mood }) : undefined,
      ),
    onData: (stream, session, done) => {
      if (mood === 'hangs') return void stream.resume()
      if (mood === 'dies') return void stream.once('data', cutConnections)
      const received = async () => {
        const mail = await PostalMime.parse(await buffer(stream))
        mails.push({ ...mail, envelopeTo: session.envelope.rcptTo.map(({ address }) => address) })
      }
      received().then(() => done(), done)
    },
  }
  let server: SMTPServer | undefined
  const sockets = new Set<Socket>()
  const cutConnections = () => {
    for (const socket of sockets) socket.destroy()
  }
  const start = async () => {
    server = new SMTPServer(options)
    server.on('error', () => {})
    server.server.on('connection', (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
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
      mood = code
    },
    hang: () => {
      mood = 'hangs'
    },
    dieInDelivery: () => {
      mood = 'dies'
    },
    accept: () => {
      mood = undefined
    },
    stop,
    start,
  }
}
