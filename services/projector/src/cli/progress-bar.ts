import type { WriteStream } from 'node:tty'

/** One line that is drawn again and again in a terminal, and a line every 5 s elsewhere: how far, how fast, how long yet. */
export function progressBar(name: string, output: Pick<WriteStream, 'isTTY' | 'write'>) {
  const startedAt = performance.now()
  let first: number | undefined
  let shownAt = Number.NEGATIVE_INFINITY
  return {
    show(done: number, total: number): void {
      first ??= done // what an earlier run had done says nothing of this one's speed
      const now = performance.now()
      if (now - shownAt < (output.isTTY ? 100 : 5_000)) return
      shownAt = now
      const perSecond = ((done - first) / (now - startedAt)) * 1_000
      const percent = total === 0 ? 100 : Math.min(100, Math.floor((done / total) * 100))
      const left = Math.max(0, total - done)
      const secondsLeft = left === 0 ? 0 : perSecond > 0 ? Math.ceil(left / perSecond) : '?'
      const filled = '█'.repeat(Math.round(percent / 5)).padEnd(20, '░')
      const line = `${name} ${filled} ${percent} %  ${done} of ${total}  ${Math.round(perSecond)}/s  ${secondsLeft} s left`
      output.write(output.isTTY ? `\r\x1b[K${line}` : `${line}\n`)
    },
    end(): void {
      if (output.isTTY) output.write('\r\x1b[K')
    },
  }
}
