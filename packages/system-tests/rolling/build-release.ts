import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, realpath, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const run = promisify(execFile)
const parts = ['packages/contracts', 'packages/service-kit', 'services/projector', 'services/query-api']

/**
 * Builds projector and query-api of an earlier release from the history of this repository, with the dependencies that
 * are installed. A release is the commit that gave its heading in the changelog a date.
 * @returns the folder
 */
export async function buildRelease(version: string, folder: string): Promise<string> {
  const heading = `## [${version}] - 2`
  const { stdout } = await run('git', ['log', '--format=%H', '-S', heading, '--', 'CHANGELOG.md'], { cwd: repository })
  const commit = stdout.trim().split('\n').at(-1)
  if (!commit) throw new Error(`the history of this clone does not contain release ${version}`)
  const archive = join(folder, 'release.tar')
  await run('git', ['archive', '-o', archive, commit, 'tsconfig.base.json', ...parts], { cwd: repository })
  await run('tar', ['-xf', archive, '-C', folder])
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
  for (const part of parts) await linkDependencies(join(repository, part), join(folder, part), folder)
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ files: [], references: parts.map((path) => ({ path })) }),
  )
  await run('tsc', ['-b', folder])
  return folder
}

/** Its own packages are those of the release, all others those that are installed. */
async function linkDependencies(from: string, to: string, folder: string): Promise<void> {
  const installed = join(from, 'node_modules')
  const names = await readdir(installed)
  const scoped = names.filter((name) => name.startsWith('@'))
  const ofScopes = await Promise.all(
    scoped.map(async (scope) => (await readdir(join(installed, scope))).map((name) => join(scope, name))),
  )
  for (const name of [...names.filter((name) => /^\w/.test(name)), ...ofScopes.flat()]) {
    const own = join(folder, name.replace('@cqrs', 'packages'))
    const target = name.startsWith('@cqrs') ? own : await realpath(join(installed, name))
    const link = join(to, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    if (existsSync(target)) await symlink(target, link)
  }
}
