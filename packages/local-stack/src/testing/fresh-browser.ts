import type { Browser } from 'playwright-core'
import { findChromium } from '../find-chromium.ts'
import { printTo } from '../log.ts'
import type { Teardown } from './teardown.ts'

/**
 * A Chromium without a window, for this test only. It is closed when the test ends.
 * @throws if this machine has none and cannot get one
 */
export async function freshBrowser(t: Teardown): Promise<Browser> {
  const executablePath = await findChromium(printTo(process.stderr))
  const { chromium } = await import('playwright-core')
  const browser = await chromium.launch({ executablePath })
  t.teardown(() => browser.close())
  return browser
}
