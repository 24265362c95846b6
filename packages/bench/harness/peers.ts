import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ChildServer } from '@cqrs/local-stack'
import { freePort } from '@cqrs/local-stack/testing'
import { MongoClient } from 'mongodb'
import type { Bench } from './bench.ts'

export type Peer = { name: string; baseUrl: string; stop: () => Promise<unknown> }

const folder = new URL('../peers/', import.meta.url)
const repository = fileURLToPath(new URL('../../../', import.meta.url))
const run = promisify(execFile)
const programs = [
  { name: 'Express 5 with Mongoose', file: 'express/main.ts' },
  { name: 'NestJS 11 with @nestjs/cqrs and Mongoose', file: 'nest/dist/main.js' },
]

/** Starts the peers on a database of their own with the same users, on the server that query-api reads from. */
export async function startPeers({ stack, jwksFile, dataDir, say, read }: Bench): Promise<Peer[]> {
  const uri = new URL(stack.uris.read)
  uri.pathname = 'peers'
  const client = await new MongoClient(uri.href).connect()
  await copyUsers(read.databaseName, client)
  await client.close()
  await buildPeers(say)
  return Promise.all(
    programs.map(async ({ name, file }) => {
      const port = await freePort()
      const baseUrl = `http://127.0.0.1:${port}`
      const server = new ChildServer({
        name,
        command: process.execPath,
        args: [fileURLToPath(new URL(file, folder))],
        env: {
          NODE_ENV: 'production',
          PORT: String(port),
          MONGODB_URI: uri.href,
          JWKS_FILE: jwksFile,
          JWT_SIGNING_KEY_FILE: `${dataDir}/keys/signing-key.pem`,
        },
        output: say,
        ready: async () => (await fetch(`${baseUrl}/api/v1/users`)).status === 401,
      })
      await server.start()
      return { name, baseUrl, stop: () => server.stop() }
    }),
  )
}

/** Installs what `npm start` and `npm test` do without, and checks the types of both peers. */
async function buildPeers(say: Bench['say']): Promise<void> {
  say('installing and building the peers')
  await run(process.execPath, ['scripts/prepare.mjs', 'peers'], { cwd: repository })
  await run('tsc', ['-p', fileURLToPath(new URL('express', folder))])
  // Node cannot strip decorators, so this one runs as JavaScript.
  await run('tsc', ['-p', fileURLToPath(new URL('nest', folder))])
}

/** The users of the read model, as an application with one collection would store them. */
async function copyUsers(from: string, client: MongoClient): Promise<void> {
  const fields = { email: 1, name: 1, roles: 1, isActive: 1, createdAt: 1, updatedAt: 1 }
  await client
    .db(from)
    .collection('users_read_v1')
    .aggregate([{ $project: { ...fields, passwordHash: 'none' } }, { $out: { db: 'peers', coll: 'users' } }])
    .toArray()
}
