import { setTimeout as delay } from 'node:timers/promises'
import { Counter, gauges, type Logger } from '@cqrs/telemetry'
import { connect, errors, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { pause } from '../process/pause.ts'
import { type NatsSettings, natsConnectionOptions } from './settings.ts'

/** A connection to NATS that connects and reconnects in the background. */
export type NatsLink = {
  /** Registers, before `start`, a handler for each connect and reconnect. Its errors are logged. */
  onConnected(handler: ConnectedHandler): void
  /**
   * Registers, before `start`, a subscription. It exists before the handlers of `onConnected` are called, on every
   * connection. If the server denies it, it is retried. Errors of `receive` are logged.
   */
  subscribe(subject: string, receive: (message: Msg) => unknown, options?: { queue?: string }): void
  /** Starts connecting; the link is kept until `close`. */
  start(): void
  /** The connection while it is up, else undefined. A later one can be another object. */
  connection(): NatsConnection | undefined
  /** Does work with the connection while it is up, else nothing. */
  whileUp<Result>(work: (connection: NatsConnection) => Promise<Result>): Promise<Result | undefined>
  /** Why the link is down or lacks a subscription, for an operator; empty while all is well. */
  problems(): readonly string[]
  /** Drains the connection: sends what was published, then closes. */
  close(): Promise<void>
}

/** @throws Error while NATS is unavailable */
export function connectionOf(nats: NatsLink): NatsConnection {
  const connection = nats.connection()
  if (!connection) throw new Error('NATS is unavailable')
  return connection
}

type ConnectedHandler = (connection: NatsConnection) => Promise<void> | void
type Subscription = {
  subject: string
  queue?: string
  receive: (message: Msg) => unknown
  isDenied?: boolean
  current?: { unsubscribe(): void }
}

/**
 * A link to a server of `NATS_URL`, or to another server of its cluster. `name` identifies this client to an operator
 * of the server, and is in the subject of its inboxes, `_INBOX.<name>.>`: without rights to those of others, no process
 * can read the answers to another one.
 *
 * The client itself reconnects after a disconnect, with the same subscriptions, so that acknowledgements of messages
 * delivered before still arrive. Whenever its connection is closed for good, the link makes a new one.
 * @throws ConfigError if a file that the settings name cannot be read
 */
export function linkNats(options: { settings: NatsSettings; name: string; logger: Logger }): NatsLink {
  const { logger, name } = options
  const handlers: ConnectedHandler[] = []
  const subscriptions: Subscription[] = []
  const closing = new AbortController()
  const backOff = new BackOff()
  const given = natsConnectionOptions(options.settings)
  const { servers: seeds } = given
  let servers = seeds
  let connection: NatsConnection | undefined
  let isUp = false
  let hasConnected = false
  let down = 'NATS is unavailable'
  let logged: string | undefined
  let isRefused = false
  const denied = new Set<string>()
  let running: Promise<void> | undefined

  const run = async () => {
    while (!closing.signal.aborted) {
      try {
        const nats = await connect({
          ...clientOptions,
          ...given,
          servers,
          name,
          inboxPrefix: `_INBOX.${name}`,
          reconnectDelayHandler: backOff.ms,
        })
        if (closing.signal.aborted) return await nats.close()
        connection = nats
        for (const subscription of subscriptions) listen(nats, subscription)
        connected(nats)
        void follow(nats)
        await nats.closed()
        if (isUp) disconnected()
      } catch (error) {
        disconnected(error)
      }
      backOff.next()
      await pause(backOff.ms(), closing.signal)
    }
  }

  const follow = async (nats: NatsConnection) => {
    for await (const status of nats.status()) {
      if (status.type === 'disconnect' && isUp) disconnected()
      if (status.type === 'reconnecting') {
        if (!isRefused) disconnected()
        isRefused = false
        backOff.next()
      }
      // After several refusals the client reports one reconnect several times.
      if (status.type === 'reconnect' && !isUp) connected(nats)
      if (status.type === 'update') rememberServers(nats)
      if (status.type === 'error' && isRefusal(status.error)) disconnected(status.error)
      if (status.type === 'error' && status.error instanceof errors.PermissionViolationError)
        noteDenial(nats, status.error)
      if (status.type === 'staleConnection') {
        // The client would wait until its send buffer is empty, which can take a quarter of an hour.
        if (isUp) disconnected()
        void nats.close()
      }
    }
  }

  /** Of a cluster, those that the server knows. */
  const rememberServers = (nats: NatsConnection) => {
    servers = [...new Set([...seeds, ...nats.getServers().map(({ listen }) => listen)])]
  }

  const connected = (nats: NatsConnection) => {
    if (hasConnected) reconnects.inc()
    hasConnected = true
    isUp = true
    isRefused = false
    logged = undefined
    denied.clear()
    backOff.connected()
    rememberServers(nats)
    logger.info({ server: nats.getServer() }, 'NATS connected')
    callHandlers(nats)
  }

  const callHandlers = (nats: NatsConnection) => {
    const failed = (error: unknown) => logger.error({ err: error }, 'NATS onConnected handler failed')
    for (const handler of handlers) void Promise.try(handler, nats).catch(failed)
  }

  /** Logs each reason once until the next connect. */
  const disconnected = (error?: unknown) => {
    if (closing.signal.aborted) return
    isUp = false
    isRefused = isRefusal(error)
    down = isRefused ? `NATS refuses this client: ${(error as Error).message}` : reasonOf(error)
    if (down !== logged) logger.warn(error === undefined ? {} : { err: error }, down)
    logged = down
  }

  /** Logs one denial for each kind of subject until the next connect: subjects contain user ids. */
  const noteDenial = (nats: NatsConnection, error: InstanceType<typeof errors.PermissionViolationError>) => {
    // When a server removes a subscription later, it does not name the queue, so the client (3.4) cannot tell which.
    if (error.operation === 'subscription')
      for (const one of subscriptions) if (one.subject === error.subject) deny(nats, one)
    const kind = `${error.operation} ${error.subject.split('.')[0]}`
    if (!denied.has(kind)) logger.error({ err: error }, 'NATS denies a permission')
    denied.add(kind)
  }

  const listen = (nats: NatsConnection, subscription: Subscription) => {
    const { subject, queue, receive } = subscription
    subscription.isDenied = false
    const failed = (error: unknown) => logger.warn({ err: error, subject }, 'cannot handle a NATS message')
    subscription.current = nats.subscribe(subject, {
      ...(queue && { queue }),
      callback: (error, message) => {
        if (error) deny(nats, subscription)
        else void Promise.try(receive, message).catch(failed)
      },
    })
  }

  const deny = (nats: NatsConnection, subscription: Subscription) => {
    if (subscription.isDenied) return
    subscription.isDenied = true
    subscription.current?.unsubscribe()
    void listenLater(nats, subscription)
  }

  const listenLater = async (nats: NatsConnection, subscription: Subscription) => {
    await pause(retryDeniedMs, closing.signal)
    if (closing.signal.aborted || nats.isClosed()) return
    listen(nats, subscription)
    // A denial arrives before the response.
    await nats.flush().catch(() => undefined)
    if (!subscription.isDenied && nats === connection) callHandlers(nats)
  }

  const current = () => (isUp && !connection?.isClosed() ? connection : undefined)
  const problems = () =>
    isUp
      ? subscriptions.filter(({ isDenied }) => isDenied).map(({ subject }) => `NATS denies subscribing to ${subject}`)
      : [down]
  const measured = measureLink(problems)

  return {
    onConnected: (handler) => void handlers.push(handler),
    subscribe: (subject, receive, more) => void subscriptions.push({ subject, receive, ...more }),
    start: () => {
      running ??= run()
      measured.start()
    },
    connection: current,
    async whileUp(work) {
      const connection = current()
      return connection && (await work(connection))
    },
    problems,
    async close() {
      closing.abort()
      await measured.close()
      // A server that does not respond must not hold up a stop.
      const drained = isUp && connection?.drain().catch(() => undefined)
      await Promise.race([drained, delay(drainMs, undefined, { ref: false })])
      await connection?.close()
      await running
    },
  }
}

const measureLink = gauges(
  { nats_up: '1 while connected to NATS with every subscription, else 0' },
  (problems: () => readonly string[]) => ({ nats_up: problems().length === 0 ? 1 : 0 }),
)
const reconnects = new Counter({ name: 'nats_reconnects_total', help: 'Connections to NATS after the first' })

/** 250 ms, doubled for each attempt up to 5 s; jittered, so that processes do not reconnect at the same moment. */
class BackOff {
  #attempts = 0
  #ms = 0
  #connectedAt = Number.POSITIVE_INFINITY

  /** The current delay. The client asks many times for one. */
  readonly ms = (): number => this.#ms

  next(): void {
    // A server that accepts connections only to close them does not end the back-off.
    if (performance.now() - this.#connectedAt > steadyMs) this.#attempts = 0
    this.#connectedAt = Number.POSITIVE_INFINITY
    this.#ms = Math.min(250 * 2 ** this.#attempts, 5_000) * (0.75 + Math.random() / 2)
    this.#attempts += 1
  }

  connected(): void {
    this.#connectedAt = performance.now()
  }
}

/**
 * By default the client notices a server that is cut off after four minutes and closes for good after two refusals;
 * with these pings it takes 4 to 6 s. `timeout` is for each server.
 */
const clientOptions = {
  timeout: 2_000,
  pingInterval: 2_000,
  maxPingOut: 2,
  maxReconnectAttempts: -1,
  ignoreAuthErrorAbort: true,
}

const isRefusal = (error: unknown): boolean =>
  error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError

/** A certificate that is not trusted stays so until an operator acts, which a server that is down does not. */
function reasonOf(error: unknown): string {
  const { message = '', code = (error as Error | undefined)?.cause } = Object(error) as {
    message?: string
    code?: unknown
  }
  const reason = String(Object(code).code ?? code)
  if (/^(ERR_(SSL|TLS|OSSL)|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/.test(reason))
    return `TLS with NATS fails: ${reason}`
  return /does not support 'tls'/.test(message) ? 'TLS with NATS fails: the server has none' : 'NATS is unavailable'
}

const retryDeniedMs = 5_000
const drainMs = 2_000
const steadyMs = 10_000
