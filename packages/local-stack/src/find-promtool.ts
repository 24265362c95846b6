import { execFile } from 'node:child_process'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { aptUnpack } from './apt.ts'
import { cacheDirectory, makeOnce } from './once.ts'

const run = promisify(execFile)

/** Runs promtool. Returns its exit code and all that it prints. */
export type Promtool = (...args: string[]) => Promise<{ code: number; output: string }>

/** promtool on PATH, else that of Debian's package `prometheus`; undefined on a machine that has neither. */
export async function findPromtool(): Promise<Promtool | undefined> {
  const command = (await version('promtool')) ? 'promtool' : await ofDebian().catch(() => undefined)
  return command === undefined
    ? undefined
    : (...args) =>
        run(command, args).then(
          ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
          ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
        )
}

/** Fetches 19 MB once, and keeps the one file. */
async function ofDebian(): Promise<string> {
  const home = join(cacheDirectory, 'promtool-of-debian')
  await makeOnce(home, async (draft) => {
    const unpacked = join(draft, 'package')
    await mkdir(unpacked)
    await aptUnpack('prometheus', unpacked)
    await rename(join(unpacked, 'usr/bin/promtool'), join(draft, 'promtool'))
    await rm(unpacked, { recursive: true })
  })
  return join(home, 'promtool')
}

const version = (command: string) => run(command, ['--version']).catch(() => undefined)
