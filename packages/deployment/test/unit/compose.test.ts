import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parseConfig } from '@cqrs/service-kit'
import t from 'tap'
import Type, { type TObject } from 'typebox'
import { parse } from 'yaml'
import { Config as CommandApi } from '../../../../services/command-api/src/config.ts'
import { Config as Projector } from '../../../../services/projector/src/config.ts'
import { Config as QueryApi } from '../../../../services/query-api/src/config.ts'

const root = new URL('../../../../', import.meta.url)
const read = (file: string) => readFileSync(new URL(file, root), 'utf8')

const { services, networks, volumes } = parse(read('docker-compose.yml'), { merge: true })
const containers: [name: string, container: any][] = Object.entries(services)
const isJob = (container: any) => container.restart === 'on-failure:5'
const isOurs = (container: any) => container.image.startsWith('cqrs-user-service/')
const mounted = ({ volumes = [] }: any): [from: string, to: string][] =>
  volumes.map((volume: string) => volume.split(':'))

/**
 * The settings that deploy/compose/prepare.mjs writes into a service's `settings.env`, with values of the right form.
 */
const secretSettings = (service: string): Record<string, string> =>
  Object.fromEntries(
    [...read('deploy/compose/prepare.mjs').matchAll(/write\('([\w-]+)\/settings\.env', `(\w+)=/g)]
      .filter(([, of]) => of === service)
      .map(([, , name]) => [name, 'mongodb://user:password@mongodb:27017/database']),
  )

/** The volume with the password of a container's user at NATS. */
const passwordVolume = (name: string) =>
  mounted(services[name]).find(([, to]) => services[name].environment.NATS_PASSWORD_FILE.startsWith(`${to}/`))?.[0]

t.test('only the gateway and the web pages are published, on loopback', async (t) => {
  const published = containers.filter(([, { ports }]) => ports)
  t.strictSame(published.map(([name]) => name).sort(), ['gateway', 'grafana', 'mailpit', 'prometheus'])
  for (const [name, { ports }] of published) for (const port of ports) t.match(port, /^127\.0\.0\.1:/, name)
  for (const name of ['grafana', 'prometheus'])
    t.strictSame(services[name].profiles, ['observability'], `${name} only on request`)
})

t.test('the builder receives every package that an image is made of', async (t) => {
  const sent = read('.dockerignore').match(/(?<=^!).*/gm) ?? []
  const packages = ['packages', 'services']
    .flatMap((parent) => readdirSync(new URL(parent, root)).map((name) => `${parent}/${name}`))
    .map((folder) => ({ folder, manifest: JSON.parse(read(`${folder}/package.json`)) }))
  const needed = new Set(
    containers.flatMap(([, { build }]) => (build?.args?.SERVICE ? [`@cqrs/${build.args.SERVICE}`] : [])),
  )
  t.ok(needed.size > 3)
  for (const name of needed) {
    const found = packages.find(({ manifest }) => manifest.name === name)
    t.ok(
      sent.some((path) => `${found?.folder}/`.startsWith(`${path}/`)),
      name,
    )
    for (const [other, version] of Object.entries(found?.manifest.dependencies ?? {}))
      if (version === 'workspace:*') needed.add(other)
  }
})

for (const [name, container] of containers) {
  t.test(`${name} has no privileges that it does not need`, async (t) => {
    t.strictSame(container.cap_drop ?? (name === 'prometheus' ? undefined : []), ['ALL'])
    t.strictSame(container.security_opt, ['no-new-privileges:true'])
    t.notOk(container.privileged || container.pid || container.network_mode === 'host')
    // It changes the owners of volumes, and has no network.
    const isRoot = name === 'prepare'
    t.strictSame(container.cap_add, isRoot ? ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'] : undefined)
    t.equal(container.network_mode, isRoot ? 'none' : undefined)
    // Our images and that of Prometheus set a user.
    if (!isRoot && !isOurs(container) && name !== 'prometheus') t.match(container.user, /^[1-9]\d*:[1-9]\d*$/)
    const isDatabase = name === 'mongodb-write' || name === 'mongodb-read'
    if (!isDatabase) t.equal(container.read_only, true)
  })

  t.test(`${name} is restarted automatically, and reports when it is ready`, async (t) => {
    if (isJob(container)) {
      t.strictSame(container.healthcheck, { disable: true })
      return
    }
    t.equal(container.restart, 'unless-stopped')
    // Nothing depends on Prometheus.
    if (!isOurs(container) && name !== 'prometheus') t.ok(container.healthcheck?.test)
  })

  t.test(`${name} waits until its dependencies are healthy or completed, and refers only to what exists`, async (t) => {
    for (const [other, { condition }] of Object.entries<any>(container.depends_on ?? {}))
      t.equal(condition, isJob(services[other]) ? 'service_completed_successfully' : 'service_healthy', other)
    for (const network of container.networks ?? []) t.ok(network in networks, network)
    for (const [from] of mounted(container))
      t.ok(from.startsWith('./') ? existsSync(new URL(from, root)) : from in volumes, from)
  })

  t.test(`${name}: the compose file holds no secret`, async (t) => {
    for (const [setting, value] of Object.entries<string>(container.environment ?? {})) {
      t.notMatch(String(value), /:\/\/[^/]*:[^/]*@/, setting)
      if (/PASSWORD|SECRET|KEY/.test(setting) && !/^(PASSWORD_DENY_COMMON|PLAINTEXT_PASSWORDS)$/.test(setting))
        t.match(value, /^\/run\/(secrets|migrate|operator)\//)
    }
  })
}

t.test('each image of others has a version', async (t) => {
  for (const [name, { image }] of containers.filter(([, container]) => !isOurs(container)))
    t.match(image, /:(?!latest)v?\d[\w.-]*$/, name)
})

t.test('nobody can log in to Grafana, or change what it shows', async (t) => {
  t.match(services.grafana.environment, {
    GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
    GF_AUTH_BASIC_ENABLED: 'false',
    GF_AUTH_DISABLE_LOGIN_FORM: 'true',
    GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: 'true',
    GF_USERS_ALLOW_SIGN_UP: 'false',
  })
  for (const [from = '', , mode] of mounted(services.grafana) as string[][]) t.equal(mode, 'ro', from)
})

t.test('persistent data is in named volumes', async (t) => {
  for (const [name, path] of [
    ['mongodb-write', '/data/db'],
    ['mongodb-read', '/data/db'],
    ['nats', '/data'],
    ['prometheus', '/prometheus'],
  ] as const) {
    const [from] = mounted(services[name]).find(([, to]) => to === path) ?? []
    t.equal(from, `${name}-data`)
  }
  t.match(read('deploy/compose/nats.conf'), /^ {2}sync_interval: always$/m)
})

t.test('each service is built from the one Dockerfile', async (t) => {
  const built = containers.filter(([, { build }]) => build?.args)
  t.strictSame(built.map(([name]) => name).sort(), [...readdirSync(new URL('services/', root)), 'operator'].sort())
  for (const [name, { build, image }] of built) {
    t.strictSame(build, { context: '.', args: { SERVICE: name } })
    t.equal(image, `cqrs-user-service/${name}:local`)
  }
  t.strictSame(services.gateway.build, { target: 'gateway', context: '.' })
  const users = [...read('Dockerfile').matchAll(/^(?:FROM .* AS (gateway|build)|USER (.*))$/gm)].map(([line]) => line)
  t.match(users, [/ AS gateway$/, 'USER 101:101', / AS build$/, 'USER 1000:1000'])
})

t.test('what prepare.mjs imports is in command-api’s image', async (t) => {
  const imports = [...read('deploy/compose/prepare.mjs').matchAll(/^import \{ (.*) \} from '(?!node:)(.*)'$/gm)]
  t.ok(imports.length > 0)
  const { resolve } = createRequire(new URL('services/command-api/package.json', root))
  for (const [line, names = '', specifier = ''] of imports) {
    const module = await import(resolve(specifier))
    for (const name of names.split(', ')) t.ok(name in module, line)
  }
})

const configs: Record<string, TObject> = { 'command-api': CommandApi, projector: Projector, 'query-api': QueryApi }
for (const [name, config] of Object.entries(configs)) {
  for (const container of [name, `${name}-migrate`].filter((container) => container in services)) {
    t.test(`${container} gets only settings of ${name}, and all that it needs`, async (t) => {
      const { environment, command } = services[container]
      const given = { ...environment, ...secretSettings(name) }
      t.strictSame(
        Object.keys(given).filter((setting) => !(setting in config.properties)),
        [],
      )
      // `migrate` reads only these settings.
      const migrated = ['MONGODB_URI', 'MONGODB_READ_URI', 'NATS_URL'].filter((setting) => setting in config.properties)
      const needed = container === name ? config : Type.Pick(config, migrated)
      // Without a value, Compose takes that of its own environment.
      const text = Object.fromEntries(Object.entries(given).map(([setting, value]) => [setting, String(value ?? '')]))
      t.doesNotThrow(() => parseConfig(needed, text))
      t.ok(environment.NATS_URL, 'its default is for a single machine')
      t.ok(command.includes('--env-file=/run/secrets/settings.env'))
      t.ok(mounted(services[container]).some(([from, to]) => from === `${name}-secrets` && to === '/run/secrets'))
    })
  }
}

t.test('no service reaches the other side’s database, and only command-api can sign', async (t) => {
  const on = (network: string) => containers.filter(([, one]) => one.networks?.includes(network)).map(([name]) => name)
  t.strictSame(on('write').sort(), ['command-api', 'command-api-migrate', 'mongodb-write', 'mongodb-write-users'])
  const ofProjector = ['operator', 'projector', 'projector-migrate']
  t.strictSame(on('read').sort(), ['mongodb-read', 'mongodb-read-users', ...ofProjector, 'query-api'])
  for (const network of ['write', 'read', 'events', 'cache']) t.strictSame(networks[network], { internal: true })
  const holders = containers.filter(([, one]) => mounted(one).some(([from]) => from === 'command-api-secrets'))
  t.strictSame(holders.map(([name]) => name).sort(), ['command-api', 'command-api-migrate', 'prepare'])
  t.strictSame(Object.keys(secretSettings('query-api')), ['MONGODB_READ_URI'])
  const passwordFiles = Object.fromEntries(
    containers.flatMap(([name, { environment }]) =>
      environment?.NATS_USER ? [[name, [environment.NATS_USER, passwordVolume(name)]]] : [],
    ),
  )
  t.strictSame(passwordFiles, {
    'command-api': ['command-api', 'command-api-secrets'],
    'query-api': ['query-api', 'query-api-secrets'],
    projector: ['projector', 'projector-secrets'],
    'command-api-migrate': ['migrate', 'migrate-secrets'],
    'projector-migrate': ['migrate', 'migrate-secrets'],
    operator: ['operator', 'operator-secrets'],
  })
  t.match(read('deploy/compose/prepare.mjs'), /user: 'query-api', pwd: password\(\), role: 'read' /)
  for (const [name, container] of containers) {
    const writable = mounted(container).filter(([from, , mode]: any) => from.endsWith('secrets') && mode !== 'ro')
    t.equal(writable.length > 0, name === 'prepare', `${name} cannot write secrets`)
  }
})

t.test('the cluster has three nodes of each database and of NATS, each with data of its own', async (t) => {
  const cluster = parse(read('docker-compose.cluster.yml'), { merge: true })
  const stores: string[] = []
  for (const first of ['mongodb-write', 'mongodb-read', 'nats']) {
    for (const number of [2, 3]) {
      const name = `${first}-${number}`
      const node = cluster.services[name]
      t.strictSame(node.extends, { file: 'docker-compose.yml', service: first }, name)
      stores.push(...mounted(node).flatMap(([from, to]) => (/^\/data/.test(to) ? [from] : [])))
    }
  }
  t.strictSame(stores, Object.keys(cluster.volumes))
  for (const first of ['mongodb-write', 'mongodb-read']) {
    const others = [2, 3].map((number) => `${first}-${number}`)
    const job = cluster.services[`${first}-users`]
    t.equal(job.environment.OTHERS, others.map((name) => `${name}:27017`).join(','))
    t.strictSame(Object.keys(job.depends_on), others)
    // MongoDB lets only empty servers join a replica set, so only the first node creates the root user.
    for (const name of others) t.strictSame(Object.values(cluster.services[name].environment), ['', ''], name)
  }
  const configuration = read('deploy/compose/nats-cluster.conf')
  t.match(configuration, /^include \.\/compose\.conf$/m)
  t.match(configuration, /^ {2}include \.\/secrets\/routes\.conf$/m)
  const routes = ['nats', 'nats-2', 'nats-3']
  t.match(
    read('deploy/compose/prepare.mjs'),
    `${JSON.stringify(routes).replaceAll('"', "'").replaceAll(',', ', ')}.map(`,
  )
  for (const name of routes) t.equal(cluster.services[name as string].hostname, name, 'the name of the server')
  for (const name of Object.keys(configs)) t.equal(cluster.services[name].scale, 2)
  for (const name of ['command-api', 'command-api-migrate', 'projector-migrate'])
    t.equal(cluster.services[name].environment.STREAM_REPLICAS, 3, name)
})
