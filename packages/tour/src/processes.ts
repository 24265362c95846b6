import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { until } from './kit.ts'

const programs = { projector: '/projector/dist/main.js', nats: 'nats-server' }
export type Part = keyof typeof programs

/** The processes of the running system: those that `npm start` itself has started, and no others. */
export class Processes {
  readonly #starter: number

  /** @param starter the process id of `npm start` */
  constructor(starter: number) {
    this.#starter = starter
  }

  /** The process id of a part; undefined while it is not running. */
  async pidOf(part: Part): Promise<number | undefined> {
    const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,ppid=,args='])
    for (const [, pid, parent, command = ''] of stdout.matchAll(/^ *(\d+) +(\d+) +(.*)$/gm))
      if (Number(parent) === this.#starter && command.includes(programs[part])) return Number(pid)
    return undefined
  }

  /**
   * Stops a process while something is done, without its noticing (SIGSTOP): it hangs. It continues in any case, also
   * if this process is killed: a guard notices that by the end of its input.
   */
  async hold<Result>(part: Part, work: (pid: number) => Promise<Result>): Promise<Result> {
    const pid = await until(part, () => this.pidOf(part))
    const guard = spawn('sh', ['-c', `read -r _; kill -CONT ${pid}`], {
      stdio: ['pipe', 'ignore', 'ignore'],
      // Ctrl-C reaches every process of the terminal's group.
      detached: true,
    })
    await once(guard, 'spawn')
    try {
      process.kill(pid, 'SIGSTOP')
      return await work(pid)
    } finally {
      guard.stdin.end()
      await once(guard, 'exit')
    }
  }

  /** Kills a process (SIGKILL). `npm start` starts another one. @returns the process id */
  async kill(part: Part): Promise<number> {
    const pid = await until(part, () => this.pidOf(part))
    process.kill(pid, 'SIGKILL')
    return pid
  }
}
