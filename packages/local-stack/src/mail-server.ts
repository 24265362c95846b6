import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ChildServer } from './child-server.ts'
import { isListening } from './ports.ts'

export type MailOptions = {
  /** Holds the mails. Used again by the next start. */
  dataDir: string
  logDir: string
  smtpPort: number
  webPort: number
}

export type MailServer = {
  server: ChildServer
  /** For SMTP_URL. */
  smtpUrl: string
  /** The page that shows the mails; `/email` below it lists them as JSON. */
  webUrl: string
}

/** Starts a mail server that delivers nothing and shows on a page what it got. Listens on 127.0.0.1 only. */
export async function startMail({ dataDir, logDir, smtpPort, webPort }: MailOptions): Promise<MailServer> {
  await mkdir(dataDir, { recursive: true })
  const options = {
    ip: '127.0.0.1',
    smtp: String(smtpPort),
    'web-ip': '127.0.0.1',
    web: String(webPort),
    'mail-directory': dataDir,
    'max-emails': '1000',
  }
  const server = new ChildServer({
    name: 'mail',
    command: process.execPath,
    args: [
      fileURLToPath(new URL('bin/maildev.js', import.meta.resolve('maildev'))),
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    ],
    cwd: dataDir,
    output: join(logDir, 'mail.log'),
    ready: async () => (await isListening(smtpPort)) && (await isListening(webPort)),
  })
  await server.start()
  return { server, smtpUrl: `smtp://127.0.0.1:${smtpPort}`, webUrl: `http://127.0.0.1:${webPort}` }
}
