import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { type ChildOutput, openOutput } from './child-output.ts'
import { eventually } from './eventually.ts'

export interface ChildServerOptions {
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
    if (this.#running) throw new Error(`${this.name} runs already`)
    const running = this.#spawn()
    const { ready, readyTimeoutMs = 30_000 } = this.#options
    const noMoreTries = () => running.end !== undefined
    const isReady = eventually(() => noMoreTries() || ready(), { timeoutMs: readyTimeoutMs })
    const failure = await Promise.race([isReady.then(() => undefined, messageOf), running.ended])
    if (failure === undefined && running.end === undefined) {
      running.wasReady = true
      return
    }
    await this.kill()
    throw new Error(`${this.name} did not start: ${running.end ?? failure}${this.#tail()}`)
  }

  /** Asks the process to end and waits for it; kills it if it has not ended in time. */
  async stop(): Promise<void> {
    const { stopSignal = 'SIGTERM', stopTimeoutMs = 10_000 } = this.#options
    const running = this.#askToEnd(stopSignal)
    const patience = new AbortController()
    const tooLong = delay(stopTimeoutMs, true, { signal: patience.signal }).catch(() => false)
    if (running && (await Promise.race([running.ended.then(() => false), tooLong]))) await this.kill()
    patience.abort()
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
    alive.add(child)
    void running.ended.then((end) => {
      alive.delete(child)
      if (this.#running === running) this.#running = undefined
      if (running.wasReady && !running.asked) this.onCrash(`${this.name} ended unexpectedly: ${end}${this.#tail()}`)
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

interface Running {
  child: ChildProcess
  ended: Promise<string>
  end: string | undefined
  asked: boolean
  wasReady: boolean
}

function watch(child: ChildProcess): Running {
  const exit = once(child, 'close').then(
    ([code, signal]: (number | string | null)[]) => (signal ? `killed by ${signal}` : `exit code ${code}`),
    messageOf,
  )
  const running: Running = { child, ended: exit, end: undefined, asked: false, wasReady: false }
  running.ended = exit.then((end) => {
    running.end = end
    return end
  })
  return running
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

// Whatever ends this process (an exception, process.exit) must not leave servers behind.
const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})
