import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type ChildOutput, openOutput } from './child-output.ts'
import { eventually } from './eventually.ts'

export type ChildServerOptions = {
  /** Stands in messages. */
  name: string
  command: string
  args: readonly string[]
  /** The whole environment of the process; default: this process's own. */
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** A log file (emptied when the server is first started), or a function that gets each line. */
  output: string | ((line: string) => void)
  /** Throws or answers false as long as the server cannot be used. */
  ready: () => Promise<unknown>
  readyTimeoutMs?: number
  /** Whether what a killed predecessor held is free again; it is waited for, ten seconds at most. */
  isClear?: () => Promise<boolean>
  stopSignal?: NodeJS.Signals
  stopTimeoutMs?: number
}

/** A real server in a process of its own, which can be stopped, killed and started again as it was. */
export class ChildServer {
  /** Called when the process ends without `stop` or `kill` having been asked for, once it had been ready. */
  onCrash: (message: string) => void = () => {}
  readonly name: string
  readonly #options: ChildServerOptions
  #output: ChildOutput | undefined
  #running: Running | undefined

  constructor(options: ChildServerOptions) {
    this.name = options.name
    this.#options = options
  }

  /** The server's process id; undefined while it does not run. */
  get pid(): number | undefined {
    return this.#running?.child.pid
  }

  /** Starts the process and waits until it is ready. Fails with the end of its output if it is not. */
  async start(): Promise<void> {
    const { isClear, ready, readyTimeoutMs = 30_000 } = this.#options
    // If it is not, the process says so itself.
    if (isClear) await eventually(isClear, { timeoutMs: 10_000 }).catch(() => undefined)
    if (this.#running) throw new Error(`${this.name} runs already`)
    const running = this.#spawn()
    // Without a process id it never came to be: its end says why.
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
   * Asks the process to end, waits for it and kills it if it does not end in time. Resolves to how it ended, for example
   * `exit code 0` or `killed by SIGKILL`; undefined where it does not run.
   */
  async stop(): Promise<string | undefined> {
    const { stopSignal = 'SIGTERM', stopTimeoutMs = 10_000 } = this.#options
    // A server that is not ready may not listen to signals yet, and has nothing to finish.
    const running = this.#askToEnd(this.#running?.wasReady ? stopSignal : 'SIGKILL')
    if (!running) return undefined
    const patience = setTimeout(() => running.child.kill('SIGKILL'), stopTimeoutMs)
    try {
      return await running.ended
    } finally {
      clearTimeout(patience)
    }
  }

  /** Ends the process as a power cut would, and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#askToEnd('SIGKILL')?.ended
  }

  /** Stops the server and starts it with the same command, arguments and environment. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  #spawn(): Running {
    const { command, args, env = process.env, cwd } = this.#options
    this.#output ??= openOutput(this.#options.output)
    const output = this.#output.channel()
    // A session of its own: Ctrl-C reaches every process of the terminal's group, and the order in which
    // the servers stop is ours to choose.
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

// Whatever ends this process (an exception, process.exit) must not leave servers behind.
process.on('exit', () => {
  for (const server of alive) void server.kill()
})

/** Stops every server that this process has started, the youngest first; also those that are not ready yet. */
export async function stopEveryServer(): Promise<void> {
  for (const server of [...alive].reverse()) await server.stop()
}
