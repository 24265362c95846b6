import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os'
import type { Db } from 'mongodb'

/** What a figure depends on besides the code: machine, versions, commit. */
export async function machine(db: Db): Promise<string[]> {
  const ours = versionsFor(import.meta.url)
  const peers = versionsFor(new URL('../peers/package.json', import.meta.url))
  const { version: mongodb } = await db.admin().serverInfo()
  const cores = `${availableParallelism()} cores (${cpus()[0]?.model.trim()})`
  return [
    `${cores}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()} ${arch()}`,
    `Node ${process.versions.node}; Fastify ${ours('fastify')}; MongoDB driver ${ours('mongodb')}`,
    `peers: Express ${peers('express')}, NestJS ${peers('@nestjs/core')}, Mongoose ${peers('mongoose')}`,
    `MongoDB ${mongodb}`,
    `commit ${commit()}`,
  ]
}

/** The versions of the libraries that a file or folder resolves. */
function versionsFor(from: string | URL): (name: string) => string {
  const require = createRequire(from)
  return (name) => {
    try {
      return require(`${name}/package.json`).version
    } catch {
      return '(not installed)'
    }
  }
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
