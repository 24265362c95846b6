// Runs on the user's own Node before anything is installed: only Node's built-in modules and the syntax of Node 20.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('..', import.meta.url))
const binaries = join(repository, 'node_modules/.bin')

/** Node 24, which is one of the dependencies. Exists once `prepare` has succeeded. */
export const node = join(binaries, 'node')

/** The environment with the dependencies' programs, Node 24 among them, first on the PATH. */
export const environment = { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH}` }

/** Installs the dependencies if they have changed, and builds what has changed. Fails with one line. */
export async function prepare() {
  const [major] = process.versions.node.split('.')
  if (Number(major) < 20) throw new Error(`this needs Node 20 or later, and this is Node ${process.versions.node}`)
  await install(`!${peers}`, '.installed')
  await run('the build', 'tsc', ['-b'])
}

/** Installs the frameworks that only `npm run bench` compares with, if they have changed. Fails with one line. */
async function preparePeers() {
  await install(peers, '.installed-peers')
}

const peers = '@cqrs/bench-peers'

/**
 * Installs the packages of the workspace that pnpm's `filter` selects, unless the stamp shows that they are current.
 */
async function install(filter, stampName) {
  const stamp = join(repository, 'node_modules', stampName)
  const wanted = fingerprint()
  if (read(stamp) === wanted) return
  console.error('Installing dependencies (only after a change)…')
  const { packageManager } = JSON.parse(read(join(repository, 'package.json')))
  await run('the installation', 'npx', ['-y', packageManager, 'install', '--frozen-lockfile', '--filter', filter])
  writeFileSync(stamp, wanted)
}

function fingerprint() {
  const packages = ['packages', 'services'].flatMap((folder) =>
    readdirSync(join(repository, folder)).map((name) => `${folder}/${name}`),
  )
  const manifests = [...packages, 'packages/bench/peers'].map((folder) => `${folder}/package.json`)
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`)
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests.sort()]) {
    hash.update(`${file}\n${read(join(repository, file))}\n`)
  }
  return hash.digest('hex')
}

// Standard output belongs to the program that follows.
async function run(what, command, args) {
  const child = spawn(command, args, { cwd: repository, env: environment, stdio: ['ignore', 2, 2] })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${what} failed (${command} ${args.join(' ')})`)
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const work = process.argv[2] === 'peers' ? preparePeers : prepare
  await work().catch((error) => {
    console.error(`error: ${error.message}`)
    process.exitCode = 1
  })
}
