import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type ChildOutput, openOutput } from './child-output.ts'
import { eventually } from './eventually.ts'
import type { Host } from './hosts/network.ts'

export type ChildServerOptions = {
  /** Names the server in messages. */
  name: string
  command: string
  args: readonly string[]
  /** The whole environment of the process; default: this process's own. */
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Where the process runs, if not on this machine itself. */
  on?: Pick<Host, 'command'> | undefined
  /** A log file (emptied when the server is first started), or a function that gets each line. */
  output: string | ((line: string) => void)
  /** Throws or returns false until the server can be used. */
  ready: () => Promise<unknown>
  readyTimeoutMs?: number
  /** Whether the resources of a killed predecessor are free again. Start waits for this, at most ten seconds. */
  isClear?: () => Promise<boolean>
  stopSignal?: NodeJS.Signals
  stopTimeoutMs?: number
}

/** A real server in a process of its own, which can be stopped, killed and restarted with the same settings. */
export class ChildServer {
  /** Called when a process that was ready ends without a call of `stop` or `kill`. */
  onCrash: (message: string) => void = () => {}
  readonly name: string
  readonly #options: ChildServerOptions
  #output: ChildOutput | undefined
  #running: Running | undefined

  constructor(options: ChildServerOptions) {
    this.name = options.name
    this.#options = options
  }

  /** The process id of the server; undefined while it is not running. */
  get pid(): number | undefined {
    return this.#running?.child.pid
  }

  /** Starts the process and waits until it is ready. @throws with the end of its output if it does not become ready */
  async start(): Promise<void> {
    const { isClear, ready, readyTimeoutMs = 30_000 } = this.#options
    // If they are not, the process reports it.
    if (isClear) await eventually(isClear, { timeoutMs: 10_000 }).catch(() => undefined)
    if (this.#running) throw new Error(`${this.name} is already running`)
    const running = this.#spawn()
    // Without a process id the process was never created, and `end` holds the reason.
    const isReady = eventually(() => running.end !== undefined || (this.pid !== undefined && ready()), {
      timeoutMs: readyTimeoutMs,
    })
    const failure = await Promise.race([isReady.then(() => undefined, messageOf), running.ended])
    const problem = running.end ?? failure
    if (problem === undefined) {
      running.wasReady = true
      return
    }
    await this.kill()
    throw new Error(`${this.name} did not start: ${problem}${this.#tail()}`)
  }

  /**
   * Asks the process to end, waits for it and kills it if it does not end in time. Resolves to how it ended, for
   * example `exit code 0` or `killed by SIGKILL`; undefined where it is not running.
   */
  async stop(): Promise<string | undefined> {
    const { stopSignal = 'SIGTERM', stopTimeoutMs = 10_000 } = this.#options
    // A server that is not ready may not handle signals yet, and has nothing to finish.
    const running = this.#askToEnd(this.#running?.wasReady ? stopSignal : 'SIGKILL')
    if (!running) return undefined
    const patience = setTimeout(() => running.child.kill('SIGKILL'), stopTimeoutMs)
    try {
      return await running.ended
    } finally {
      clearTimeout(patience)
    }
  }

  /** Kills the process with SIGKILL and waits until it has ended. */
  async kill(): Promise<void> {
    await this.#askToEnd('SIGKILL')?.ended
  }

  /** Stops the server and starts it again with the same command, arguments and environment. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  #spawn(): Running {
    const { env = process.env, cwd, on } = this.#options
    const { command, args } = on?.command(this.#options.command, this.#options.args) ?? this.#options
    this.#output ??= openOutput(this.#options.output)
    const output = this.#output.channel()
    // A session of its own: Ctrl-C reaches every process of the terminal's group, but the servers have to stop in
    // order.
    const child = spawn(command, args, { env, cwd, detached: true, stdio: ['ignore', output, output] })
    const running = watch(child)
    this.#running = running
    this.#output.attach(child)
    alive.add(this)
    void running.ended.then((end) => {
      alive.delete(this)
      this.#running = undefined
      if (running.wasReady && !running.asked) this.onCrash(`${this.name} ended unexpectedly (${end})`)
    })
    return running
  }

  #askToEnd(signal: NodeJS.Signals): Running | undefined {
    const running = this.#running
    if (running) {
      running.asked = true
      running.child.kill(signal)
    }
    return running
  }

  #tail(): string {
    const lines = this.#output?.tail() ?? ''
    return lines && `. The end of its output:\n${lines}`
  }
}

type Running = {
  child: ChildProcess
  ended: Promise<string>
  end: string | undefined
  asked: boolean
  wasReady: boolean
}

function watch(child: ChildProcess): Running {
  const ended = once(child, 'close').then(
    ([code, signal]: (number | string | null)[]) => (signal ? `killed by ${signal}` : `exit code ${code}`),
    messageOf,
  )
  const running: Running = { child, ended, end: undefined, asked: false, wasReady: false }
  void ended.then((end) => {
    running.end = end
  })
  return running
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const alive = new Set<ChildServer>()

// However this process ends (an exception, process.exit), it must not leave servers running.
process.on('exit', () => {
  for (const server of alive) void server.kill()
})

/** Stops every server that this process has started, the latest first, including those that are not ready yet. */
export async function stopEveryServer(): Promise<void> {
  for (const server of [...alive].reverse()) await server.stop()
}
