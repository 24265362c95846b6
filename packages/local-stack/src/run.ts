import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export type RunOptions = {
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Gets parts of the standard output while the program runs. */
  onOutput?: (text: string) => void
}

/** Runs a program to its end and returns its standard output. @throws with the end of its error output */
export async function run(
  command: string,
  args: readonly string[],
  { env = process.env, cwd, onOutput }: RunOptions = {},
): Promise<string> {
  try {
    const running = execute(command, args, { env, cwd, maxBuffer: 64 * 1024 * 1024 })
    if (onOutput) running.child.stdout?.on('data', onOutput)
    const { stdout } = await running
    return stdout.trim()
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string }
    const lastLines = stderr.trim().split('\n').slice(-3).join(' ')
    throw new Error(`${command} ${args.join(' ')} failed: ${lastLines || message}`, { cause: error })
  }
}
