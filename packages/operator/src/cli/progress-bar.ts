import type { WriteStream } from 'node:tty'

/** Shows progress, rate and time left: on one line that is redrawn in a terminal, elsewhere on a new line every 5 s. */
export function progressBar(name: string, output: Pick<WriteStream, 'isTTY' | 'write'>) {
  const startedAt = performance.now()
  let first: number | undefined
  let shownAt = Number.NEGATIVE_INFINITY
  return {
    show(done: number, total: number): void {
      first ??= done // the rate of this run, without what an earlier one has done
      const now = performance.now()
      if (now - shownAt < (output.isTTY ? 100 : 5_000)) return
      shownAt = now
      const perSecond = ((done - first) / (now - startedAt)) * 1_000
      const percent = total === 0 ? 100 : Math.min(100, Math.floor((done / total) * 100))
      const left = Math.max(0, total - done)
      const secondsLeft = left === 0 ? 0 : perSecond > 0 ? Math.ceil(left / perSecond) : '?'
      const filled = '█'.repeat(Math.round(percent / 5)).padEnd(20, '░')
      const rate = Math.round(perSecond)
      const line = `${name} ${filled} ${percent} %  ${done} of ${total}  ${rate}/s  ${secondsLeft} s left`
      output.write(output.isTTY ? `\r\x1b[K${line}` : `${line}\n`)
    },
    end(): void {
      if (output.isTTY) output.write('\r\x1b[K')
    },
  }
}
