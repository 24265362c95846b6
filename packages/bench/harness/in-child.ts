import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * Runs a job of a script in `processes/` in a process of its own, so that the measurement shares no event loop with
 * what it measures or with other work.
 * @returns the script's answer, after which its process is stopped
 */
export async function inChild<Job extends object, Answer>(script: string, job: Job): Promise<Answer> {
  const { answer, stop } = await startChild<Job, Answer>(script, job)
  stop()
  return answer
}

/**
 * The same for a script that keeps running after its answer, such as a server. Stops at `stop` or with this process.
 */
export async function startChild<Job extends object, Answer>(script: string, job: Job) {
  const child = fork(fileURLToPath(new URL(`../processes/${script}.ts`, import.meta.url)))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = () => {
    process.off('exit', kill)
    kill()
  }
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${script} exited with ${code}`)))
  ended.catch(() => undefined)
  child.send(job)
  try {
    const [answer] = await Promise.race([once(child, 'message'), ended])
    return { answer: answer as Answer, stop }
  } catch (error) {
    stop()
    throw error
  }
}

/** The script's side: waits for the job, runs it, and sends the answer. */
export async function answerJob<Job extends object>(work: (job: Job) => Promise<object>): Promise<void> {
  const [job] = await once(process, 'message')
  process.send?.(await work(job as Job))
}
