import type { ChildProcess } from 'node:child_process'
import { fstatSync, mkdirSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'

/** Where the output of a child process goes, and how to quote its end in an error. */
export type ChildOutput = {
  channel(): number | 'pipe'
  attach(child: ChildProcess): void
  tail(): string
}

export function openOutput(target: string | ((line: string) => void)): ChildOutput {
  return typeof target === 'string' ? toFile(target) : toFunction(target)
}

// The process writes to the file itself: a busy server's log costs this process nothing.
function toFile(path: string): ChildOutput {
  mkdirSync(dirname(path), { recursive: true })
  const file = openSync(path, 'w+')
  return {
    channel: () => file,
    attach: () => {},
    tail: () => {
      const { size } = fstatSync(file)
      const end = Buffer.alloc(Math.min(size, 4_096))
      readSync(file, end, 0, end.length, size - end.length)
      return lastLines(end.toString().split('\n'))
    },
  }
}

function toFunction(onLine: (line: string) => void): ChildOutput {
  const recent: string[] = []
  return {
    channel: () => 'pipe',
    attach: (child) => {
      for (const stream of [child.stdout, child.stderr]) {
        if (!stream) continue
        createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
          recent.push(line)
          if (recent.length > 20) recent.shift()
          onLine(line)
        })
      }
    },
    tail: () => lastLines(recent),
  }
}

function lastLines(lines: string[]): string {
  return lines
    .filter((line) => line.trim())
    .slice(-5)
    .map((line) => line.slice(0, 500))
    .join('\n')
}
