import t from 'tap'
import { printTo } from '../../src/log.ts'

const printed = (isTTY: boolean) => {
  const parts: (string | Uint8Array)[] = []
  const log = printTo({ isTTY, write: (part) => parts.push(part) > 0 })
  return { log, text: () => parts.join('') }
}

t.test('on a terminal, the next line replaces a passing line', async (t) => {
  const { log, text } = printed(true)
  log('starting')
  log('10 %', true)
  log('20 %', true)
  log('done')
  t.equal(text().replaceAll('\x1b[K', '<erase>'), '<erase>starting\n<erase>10 %\r<erase>20 %\r<erase>done\n')
})

t.test('elsewhere, a passing line is printed where nothing was for ten seconds', async (t) => {
  let now = 0
  t.intercept(performance, 'now', { value: () => now })
  const { log, text } = printed(false)
  log('starting')
  for (; now <= 25_000; now += 1_000) log(`${now / 1_000} s`, true)
  log('done')
  t.equal(text(), 'starting\n10 s\n20 s\ndone\n')
})
