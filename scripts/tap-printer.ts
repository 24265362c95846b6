/**
 * Reads the TAP of tap's runner line by line, and prints what a person needs: a line for each test file, each failure
 * with its reason, and the comments of tests. `sum` is tap's count of assertions. `notRun` has a line for each test
 * that this machine cannot run, with the reason.
 */
export function tapPrinter(print: (line: string) => void) {
  const sum = { total: 0, pass: 0, fail: 0 }
  const notRun: string[] = []
  let detailsOf: 'file' | 'assertion' | undefined
  const line = (text: string): void => {
    const indent = text.search(/\S/)
    const content = text.trim()
    const skipped = /^ok \d+ - (.*?) # SKIP (.*)$/.exec(content)
    if (skipped) notRun.push(`${skipped[1]}: ${skipped[2]}`)
    if (detailsOf) {
      if (isWorthPrinting(content, detailsOf)) print(`  ${text}`)
      if (content === '...') detailsOf = undefined
    } else if (content === '---') {
      detailsOf = indent <= 2 ? 'file' : 'assertion'
    } else if (content.startsWith('# { total: ')) {
      if (indent === 0) for (const name of ['total', 'pass', 'fail'] as const) sum[name] = count(content, name)
    } else if ((indent === 0 && content.startsWith('ok ')) || content.startsWith('not ok ')) {
      print(`  ${text}`)
    } else if (!/^(ok \d|\d+\.\.\d|TAP version|# (Subtest: |time=|No coverage)|$)/.test(content)) {
      print(`  ${text}`)
    }
  }
  return { line, sum: () => sum, notRun: () => notRun }
}

/** For a file, tap mostly prints the thirty arguments with which it was run. */
function isWorthPrinting(detail: string, of: 'file' | 'assertion'): boolean {
  if (detail === '...') return false
  return of === 'assertion' || /^(exitCode|signal|expired|timeout|failReason|reason|message)\b/.test(detail)
}

const count = (summary: string, name: string): number =>
  Number(summary.match(new RegExp(`\\b${name}: (\\d+)`))?.[1] ?? 0)
