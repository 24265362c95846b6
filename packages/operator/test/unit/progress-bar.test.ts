import t from 'tap'
import { progressBar } from '../../src/cli/progress-bar.ts'

t.test('in a terminal it is one line with progress, rate and time left', async (t) => {
  const written: string[] = []
  const bar = progressBar('users_read_v1', { isTTY: true, write: (text: string) => Boolean(written.push(text)) })
  bar.show(250, 1_000)
  bar.end()
  t.equal(written[0], '\r\x1b[Kusers_read_v1 █████░░░░░░░░░░░░░░░ 25 %  250 of 1000  0/s  ? s left')
  t.equal(written[1], '\r\x1b[K')
})

t.test('elsewhere it prints lines, at a limited rate', async (t) => {
  const written: string[] = []
  const bar = progressBar('users_read_v1', { isTTY: false, write: (text: string) => Boolean(written.push(text)) })
  bar.show(1_000, 900)
  bar.show(1_000, 1_000)
  bar.end()
  t.strictSame(written, ['users_read_v1 ████████████████████ 100 %  1000 of 900  0/s  0 s left\n'])
})

t.test('no users is 100 %', async (t) => {
  const written: string[] = []
  progressBar('x', { isTTY: false, write: (text: string) => Boolean(written.push(text)) }).show(0, 0)
  t.match(written[0], '100 %')
})
