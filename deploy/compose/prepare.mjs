// Runs in command-api's image, in docker-compose.yml: creates passwords, connection strings and the signing key, each
// in the volume of the container that reads it, owned by that container's user. Existing ones are kept, because they
// match the data.
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { natsPasswords, natsUsers, newKey, publicJwk } from '@cqrs/service-kit'

const volumes = '/volumes'
const service = 1000
const mongodb = 999
/** How many nodes each database has; the first one's name has no number. */
const nodes = Number(process.env.NODES ?? 1)

// Written last.
if (!existsSync(`${volumes}/public-keys/jwks.json`)) makeSecrets()
if (!existsSync(`${volumes}/nats-secrets/passwords.conf`)) makeNatsUsers()
if (!existsSync(`${volumes}/nats-secrets/routes.conf`)) makeNatsRoutes()
for (const name of ['command-api', 'query-api', 'projector']) nameEveryNode(`${volumes}/${name}/settings.env`)
for (const name of readdirSync(volumes))
  if (/^nats-.*data$/.test(name)) chownSync(`${volumes}/${name}`, service, service)

function makeSecrets() {
  const commandApi = { user: 'command-api', pwd: password(), role: 'readWrite' }
  const queryApi = { user: 'query-api', pwd: password(), role: 'read' }
  const projector = { user: 'projector', pwd: password(), role: 'readWrite' }
  makeDatabase('mongodb-write', 'users_write', [commandApi])
  makeDatabase('mongodb-read', 'users_read', [queryApi, projector])
  write('command-api/settings.env', `MONGODB_URI=${uri(commandApi, 'mongodb-write', 'users_write')}\n`, service)
  write('query-api/settings.env', `MONGODB_READ_URI=${uri(queryApi, 'mongodb-read', 'users_read')}\n`, service)
  write('projector/settings.env', `MONGODB_READ_URI=${uri(projector, 'mongodb-read', 'users_read')}\n`, service)
  const key = newKey()
  write('command-api/signing-key.pem', key, service)
  write('public-keys/jwks.json', `${JSON.stringify({ keys: [publicJwk(key)] }, null, 2)}\n`, service)
}

/** A password for each process, in its own volume. NATS reads all of them. */
function makeNatsUsers() {
  const passwords = Object.fromEntries(natsUsers.map((user) => [user, password()]))
  for (const user of natsUsers)
    write(`${user === 'admin' ? 'nats-secrets' : user}/nats-password`, passwords[user], service)
  write(
    'nats-secrets/passwords.conf',
    natsPasswords((user) => passwords[user]),
    service,
  )
}

/** How the servers of docker-compose.cluster.yml find each other, and prove that they are of this cluster. */
function makeNatsRoutes() {
  const [user, pwd] = ['cluster', password()]
  const routes = ['nats', 'nats-2', 'nats-3'].map((host) => `nats://${user}:${pwd}@${host}:6222`)
  const authorization = `authorization: { user: ${user}, password: "${pwd}" }`
  write('nats-secrets/routes.conf', `${authorization}\nroutes: ${JSON.stringify(routes)}\n`, service)
}

function makeDatabase(host, db, users) {
  const rootPassword = password()
  const wanted = users.map(({ user, pwd, role }) => ({ user, pwd, roles: [{ role, db }] }))
  write(`${host}/root-password`, rootPassword, mongodb)
  write(`${host}/key`, password(), mongodb)
  write(
    `${host}/users.env`,
    `HOST=${host}:27017\nROOT_PASSWORD=${rootPassword}\nUSERS='${JSON.stringify(wanted)}'\n`,
    mongodb,
  )
}

function uri({ user, pwd }, host, db) {
  return `mongodb://${user}:${pwd}@${host}:27017/${db}?replicaSet=rs0&authSource=admin`
}

/** A driver that starts while the first node is down needs the names of the others. */
function nameEveryNode(file) {
  const named = readFileSync(file, 'utf8').replace(/@(mongodb-\w+):27017[^/]*\//, (_, host) => {
    const others = Array.from({ length: nodes - 1 }, (_, i) => `,${host}-${i + 2}:27017`)
    return `@${host}:27017${others.join('')}/`
  })
  writeFileSync(file, named)
}

function password() {
  return randomBytes(24).toString('hex')
}

function write(name, text, owner) {
  const file = `${volumes}/${name}`
  writeFileSync(file, text, { mode: 0o400 })
  chownSync(file, owner, owner)
}
