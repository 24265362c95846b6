import type { Browser, Page } from 'playwright-core'
import { findChromium } from '../find-chromium.ts'
import { printTo } from '../log.ts'
import { takeBrowserLock } from './browser-lock.ts'
import type { Teardown } from './teardown.ts'

/**
 * A Chromium without a window, for this test only. It is closed when the test ends.
 * @throws if this machine has none and cannot get one
 */
export async function freshBrowser(t: Teardown): Promise<Browser> {
  const executablePath = await findChromium(printTo(process.stderr))
  const { chromium } = await import('playwright-core')
  const release = await takeBrowserLock()
  t.teardown(release)
  const browser = await chromium.launch({ executablePath })
  t.teardown(() => browser.close())
  return browser
}

/** What fails in a page from now on: exceptions, and errors in its console, such as those of its policy. */
export function faultsOf(page: Page): string[] {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (line) => {
    // Chromium reports each answer of 4xx and 5xx here as well.
    if (line.type() === 'error' && !line.text().startsWith('Failed to load resource')) faults.push(line.text())
  })
  return faults
}
