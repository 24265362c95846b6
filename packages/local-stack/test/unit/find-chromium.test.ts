import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { chromiumSources, findChromium } from '../../src/find-chromium.ts'
import { freshDirectory } from '../../src/testing.ts'
import { startMirror } from '../mirror.ts'

const found = () => findChromium(() => {}, chromiumSources.slice(0, 1))

t.test('the sources are in order of preference', async (t) => {
  t.strictSame(
    chromiumSources.map(({ name }) => name),
    ['PATH', 'downloaded before', 'download from cdn.playwright.dev', 'Debian package'],
  )
})

t.test('the setting comes first, then what is on PATH under any of its names', async (t) => {
  const directory = await freshDirectory(t)
  const browser = async (name: string) => {
    await writeFile(join(directory, name), '#!/bin/sh\necho Chromium 1\n')
    await chmod(join(directory, name), 0o755)
    return join(directory, name)
  }
  t.intercept(process, 'env', { value: { PATH: directory } })
  await t.rejects(found(), /set CHROMIUM to its path \(PATH: no chromium, /)
  const chrome = await browser('google-chrome')
  t.equal(await found(), chrome)
  process.env.CHROMIUM = await browser('mine')
  t.equal(await found(), join(directory, 'mine'))
  process.env.CHROMIUM = join(directory, 'missing')
  await t.rejects(found(), /missing --version failed/)
})

t.test('a download comes from the mirror of the setting, and shows its progress', async (t) => {
  const size = 2 * 1024 * 1024
  const { url, asked } = await startMirror(t, (_, response) =>
    response.setHeader('content-length', size).end(Buffer.alloc(size)),
  )
  const env = { ...process.env, CHROMIUM: '', PLAYWRIGHT_DOWNLOAD_HOST: url, PLAYWRIGHT_BROWSERS_PATH: t.testdir() }
  t.intercept(process, 'env', { value: env })
  const lines: string[] = []
  // It is not an archive.
  await t.rejects(
    findChromium((line) => lines.push(line), chromiumSources.slice(2, 3)),
    /no Chromium found/,
  )
  t.match(asked[0], /chromium|chrome/)
  t.ok(lines.includes('Chromium: 100 % of 2 MiB'), lines.join(', '))
})
