/** Gets a line. `isPassing`: it only matters until the next line, as the progress of a download does. */
export type Log = (line: string, isPassing?: boolean) => void

const quietMs = 10_000

/**
 * Prints lines. On a terminal, a passing line is replaced by the next line; elsewhere it is left out, unless nothing
 * has been printed for ten seconds.
 */
export function printTo(stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>): Log {
  let printedAt = performance.now()
  return (line, isPassing = false) => {
    // The cursor stands before a passing line, which this erases.
    if (stream.isTTY) stream.write(`\x1b[K${line}${isPassing ? '\r' : '\n'}`)
    else if (!isPassing || performance.now() - printedAt >= quietMs) {
      printedAt = performance.now()
      stream.write(`${line}\n`)
    }
  }
}
