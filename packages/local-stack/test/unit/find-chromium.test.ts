import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { chromiumSources, findChromium } from '../../src/find-chromium.ts'
import { freshDirectory } from '../../src/testing.ts'

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
