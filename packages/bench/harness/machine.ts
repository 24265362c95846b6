import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os'
import type { Db } from 'mongodb'

/** What a figure depends on besides the code: machine, versions, commit. */
export async function machine(db: Db): Promise<string[]> {
  const require = createRequire(import.meta.url)
  const version = (name: string) => require(`${name}/package.json`).version as string
  const { version: mongodb } = await db.admin().serverInfo()
  return [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()} ${arch()}`,
    `Node ${process.versions.node}; Fastify ${version('fastify')}; MongoDB driver ${version('mongodb')}`,
    `peers: Express ${version('express')}, NestJS ${version('@nestjs/core')}, Mongoose ${version('mongoose')}`,
    `MongoDB ${mongodb}`,
    `commit ${commit()}`,
  ]
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
