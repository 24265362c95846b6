import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import type { World } from '../../faults/world.ts'
import type { Versions } from '../record.ts'

/** What a history runs on. */
export async function versionsOf({ write, nats }: Pick<World, 'write' | 'nats'>): Promise<Versions> {
  const { version, buildEnvironment } = await write.admin().command({ buildInfo: 1 })
  const isWindows = buildEnvironment?.target_os === 'windows'
  return {
    mongodb: `${version}${isWindows && process.platform !== 'win32' ? ' (Windows build under wine)' : ''}`,
    nats: nats.info?.version ?? 'unknown',
    node: process.versions.node,
    machine: [
      `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
      `${Math.round(totalmem() / 2 ** 30)} GiB`,
      `${type()} ${release()}`,
    ].join(', '),
  }
}

/** The commit that runs, with "-dirty" if the code differs from it. */
export function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8', cwd: import.meta.dirname }).trim()
  try {
    const hasChanges = git('status', '--porcelain', '--', ':/packages', ':/services') !== ''
    return git('rev-parse', '--short', 'HEAD') + (hasChanges ? '-dirty' : '')
  } catch {
    return 'unknown'
  }
}
