// Creates what the kustomizations of this overlay read from secrets/, which git ignores: passwords, connection strings
// and the signing key. Existing files are kept, because they match the data of a running cluster.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateKeyFiles, natsPasswords, natsUsers } from '../../../packages/service-kit/dist/index.js'

const here = fileURLToPath(new URL('.', import.meta.url))
await generateKeyFiles(`${here}secrets`)
// Written last.
if (!existsSync(`${here}secrets/projector.env`)) makeConnections()
if (!existsSync(`${here}secrets/nats/passwords.conf`)) makeNatsUsers()

/** A password for each process. NATS reads all of them. */
function makeNatsUsers() {
  const passwords = Object.fromEntries(natsUsers.map((user) => [user, password()]))
  for (const user of natsUsers) write(`secrets/nats/${user}`, passwords[user])
  write(
    'secrets/nats/passwords.conf',
    natsPasswords((user) => passwords[user]),
  )
}

function makeConnections() {
  const commandApi = { user: 'command-api', pwd: password(), role: 'readWrite' }
  const queryApi = { user: 'query-api', pwd: password(), role: 'read' }
  const projector = { user: 'projector', pwd: password(), role: 'readWrite' }
  writeSettings('mongodb-write/secrets/mongodb.env', database('mongodb-write', 'users_write', [commandApi]))
  writeSettings('mongodb-read/secrets/mongodb.env', database('mongodb-read', 'users_read', [queryApi, projector]))
  writeSettings('secrets/command-api.env', { MONGODB_URI: uri(commandApi, 'mongodb-write', 'users_write') })
  writeSettings('secrets/query-api.env', {
    MONGODB_READ_URI: uri(queryApi, 'mongodb-read', 'users_read'),
    REDIS_URL: 'redis://valkey:6379',
  })
  writeSettings('secrets/projector.env', {
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

function writeSettings(name, settings) {
  const lines = Object.entries(settings).map(([setting, value]) => `${setting}=${value}\n`)
  write(name, lines.join(''))
}

function write(name, text) {
  const file = `${here}${name}`
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  writeFileSync(file, text, { mode: 0o600 })
}
