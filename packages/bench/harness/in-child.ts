import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * Has a script of `processes/` do a job in a process of its own, so that what measures shares no event loop with what is
 * measured or with other work.
 * @returns what the script answers; it is ended then
 */
export async function inChild<Job extends object, Answer>(script: string, job: Job): Promise<Answer> {
  const { answer, stop } = await startChild<Job, Answer>(script, job)
  stop()
  return answer
}

/** The same for a script that goes on after its answer: a server. It ends at `stop`, at the latest with this process. */
export async function startChild<Job extends object, Answer>(script: string, job: Job) {
  const child = fork(fileURLToPath(new URL(`../processes/${script}.ts`, import.meta.url)))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = () => {
    process.off('exit', kill)
    kill()
  }
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${script} ended with ${code}`)))
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

/** The other end: waits for the job, does it, answers. */
export async function answerJob<Job extends object>(work: (job: Job) => Promise<object>): Promise<void> {
  const [job] = await once(process, 'message')
  process.send?.(await work(job as Job))
}
