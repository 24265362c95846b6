import { writeFile } from 'node:fs/promises'
import { aptInstall } from '../apt.ts'
import { run } from '../run.ts'

/**
 * The environment of a Node process whose clock differs from this one's by so many milliseconds, wherever it runs.
 */
export function wrongClock(byMs: number): { NODE_OPTIONS: string } {
  const shift = `const Right = Date
    globalThis.Date = class extends Right {
      constructor(...of) { super(...(of.length > 0 ? of : [Right.now() + ${byMs}])) }
      static now() { return Right.now() + ${byMs} }
    }`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift)}` }
}

/** The clock of a process, which can be set while it runs. */
export type AdjustableClock = {
  /** The environment of the process. */
  env: Record<string, string>
  /** Sets it to so many seconds from the right time. It changes within a second. */
  set: (bySeconds: number) => Promise<void>
}

/**
 * A clock for one process, by libfaketime, which Debian has and only root can install. Go asks the kernel for the time
 * itself, so NATS does not have one.
 * @param file where it says how wrong it is
 */
export async function adjustableClock(file: string): Promise<AdjustableClock> {
  const set = (bySeconds: number) => writeFile(file, `${bySeconds < 0 ? '' : '+'}${bySeconds}s\n`)
  await set(0)
  return {
    env: {
      LD_PRELOAD: await libfaketime(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: '1',
      // Time-outs are measured, and a clock that jumps does not change them.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      // Else wine takes its own files for newer ones, and rewrites them.
      NO_FAKE_STAT: '1',
    },
    set,
  }
}

async function libfaketime(): Promise<string> {
  const find = async () => (await run('dpkg', ['-L', 'libfaketime'])).split('\n').find((line) => line.endsWith('.so.1'))
  const found = await find().catch(() => undefined)
  if (found) return found
  await aptInstall('libfaketime')
  return (await find()) as string
}
