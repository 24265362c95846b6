// Creates what the kustomizations of this overlay read from secrets/, which git ignores: passwords, connection strings
// and the signing key. Existing files are kept, because they match the data of a running cluster.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateKeyFiles } from '../../../packages/service-kit/dist/index.js'

const here = fileURLToPath(new URL('.', import.meta.url))
await generateKeyFiles(`${here}secrets`)
// Written last.
if (!existsSync(`${here}secrets/projector.env`)) makeConnections()

function makeConnections() {
  const commandApi = { user: 'command-api', pwd: password(), role: 'readWrite' }
  const queryApi = { user: 'query-api', pwd: password(), role: 'read' }
  const projector = { user: 'projector', pwd: password(), role: 'readWrite' }
  write('mongodb-write/secrets/mongodb.env', database('mongodb-write', 'users_write', [commandApi]))
  write('mongodb-read/secrets/mongodb.env', database('mongodb-read', 'users_read', [queryApi, projector]))
  write('secrets/command-api.env', { MONGODB_URI: uri(commandApi, 'mongodb-write', 'users_write') })
  write('secrets/query-api.env', {
    MONGODB_READ_URI: uri(queryApi, 'mongodb-read', 'users_read'),
    REDIS_URL: 'redis://valkey:6379',
  })
  write('secrets/projector.env', {
    MONGODB_READ_URI: uri(projector, 'mongodb-read', 'users_read'),
    SMTP_URL: 'smtp://mailpit:1025',
  })
}

function database(server, db, users) {
  return {
    ROOT_PASSWORD: password(),
    KEY_FILE: password(),
    HOST: hostOf(server),
    USERS: JSON.stringify(users.map(({ user, pwd, role }) => ({ user, pwd, roles: [{ role, db }] }))),
  }
}

function uri({ user, pwd }, server, db) {
  return `mongodb://${user}:${pwd}@${hostOf(server)}/${db}?replicaSet=rs0&authSource=admin`
}

function hostOf(server) {
  return `${server}-0.${server}:27017`
}

function password() {
  return randomBytes(24).toString('hex')
}

function write(name, settings) {
  const lines = Object.entries(settings).map(([setting, value]) => `${setting}=${value}\n`)
  const file = `${here}${name}`
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  writeFileSync(file, lines.join(''), { mode: 0o600 })
}
