import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { compileCache } from '../compile-cache.ts'
import { distFile, type ProgramName } from '../stack/services.ts'

/**
 * `output` is both streams in the order in which they were written; `code` is null where a signal ended the program.
 */
export type Ended = { code: number | null; output: string; stdout: string; stderr: string }

/**
 * Runs a program of a service to its end, for example `migrate.js` or `programs/create-admin.js`.
 * @param program the file below the service's `dist`
 * @param env the whole environment of the program, besides the directory of compiled code
 * @param release the folder of another built release
 */
export const runProgram = (
  service: ProgramName,
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  release?: string,
): Promise<Ended> => startProgram(service, program, args, env, release).ended

/** The same for a program that the test signals while it runs. */
export function startProgram(
  service: ProgramName,
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  release?: string,
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [distFile(service, program, release), ...args], {
    env: { ...compileCache, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const texts = { output: '', stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
      texts.output += text
    })
  }
  const ended = once(child, 'close').then(([code]) => {
    running.delete(child)
    return { code: code as number | null, ...texts }
  })
  return { child, ended }
}

const running = new Set<ChildProcess>()

// A test that fails or is ended by a signal leaves no program behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
