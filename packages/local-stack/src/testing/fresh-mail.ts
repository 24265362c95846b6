import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Email } from 'postal-mime'
import type { SMTPServer, SMTPServerOptions } from 'smtp-server'
import { freePort } from '../ports.ts'
import type { CertificateFiles } from './certificates.ts'
import type { Teardown } from './teardown.ts'

export type ReceivedMail = Email & { envelopeTo: string[] }

export type FreshMail = {
  /** For SMTP_URL. */
  url: string
  /** The accepted e-mails, in order. */
  mails: ReceivedMail[]
  /** The passwords that it was sent, in order, and whether under TLS. */
  logins: { password: string; isSecure: boolean }[]
  /** Rejects every recipient with this SMTP code (451: temporary, 550: permanent) until `accept` is called. */
  refuse: (code: 451 | 550) => void
  /** Reads each e-mail completely and never answers, until `accept` is called. */
  hang: () => void
  /** Answers that it has accepted an e-mail so many milliseconds after it has. */
  takeTime: (ms: number) => void
  /** Closes every connection as soon as an e-mail arrives, before it is accepted, until `accept` is called. */
  dieInDelivery: () => void
  accept: () => void
  /** Stops listening; `start` listens again on the same port. */
  stop: () => Promise<void>
  start: () => Promise<void>
}

/**
 * A real SMTP server for this test only, which keeps the e-mails it accepts, and takes every password. Stopped when the
 * test ends.
 * @param options.host where it listens
 * @param options.certificate without it, the server has no TLS; `isImplicitTls` is `smtps:` instead of STARTTLS
 */
export async function freshMail(
  t: Teardown,
  {
    certificate,
    isImplicitTls = false,
    host = '127.0.0.1',
  }: { certificate?: CertificateFiles; isImplicitTls?: boolean; host?: string } = {},
): Promise<FreshMail> {
  // Loaded here because most tests have no mail server.
  const [{ default: PostalMime }, { SMTPServer }] = await Promise.all([import('postal-mime'), import('smtp-server')])
  const port = await freePort()
  const mails: ReceivedMail[] = []
  const logins: FreshMail['logins'] = []
  let answersAfterMs = 0
  let mood: 451 | 550 | 'hangs' | 'dies' | undefined
  const options: SMTPServerOptions = {
    authOptional: true,
    // A client that keeps its connection open must not delay `stop`.
    closeTimeout: 50,
    secure: isImplicitTls,
    ...(certificate
      ? { cert: await readFile(certificate.certFile), key: await readFile(certificate.keyFile) }
      : { disabledCommands: ['STARTTLS'] }),
    allowInsecureAuth: true,
    onAuth: ({ username, password }, { secure }, done) => {
      logins.push({ password: password ?? '', isSecure: secure })
      done(null, { user: username })
    },
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
      received().then(() => setTimeout(done, answersAfterMs), done)
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
    await once(server.listen(port, host), 'listening')
  }
  const stop = async () => {
    const stopping = server
    server = undefined
    if (stopping) await new Promise<void>((done) => stopping.close(() => done()))
  }
  await start()
  t.teardown(stop)
  return {
    url: `${isImplicitTls ? 'smtps' : 'smtp'}://${host}:${port}`,
    mails,
    logins,
    refuse: (code) => {
      mood = code
    },
    hang: () => {
      mood = 'hangs'
    },
    takeTime: (ms) => {
      answersAfterMs = ms
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
