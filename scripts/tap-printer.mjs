/**
 * Reads the TAP of tap's runner line by line, and prints what a person wants of it: a line for each test file, what failed
 * and why, and what the tests say themselves. `sum` is tap's own count of assertions.
 */
export function tapPrinter(print) {
  const sum = { total: 0, pass: 0, fail: 0 }
  let detailsOf
  const line = (text) => {
    const indent = text.search(/\S/)
    const content = text.trim()
    if (detailsOf) {
      if (isWorthPrinting(content, detailsOf)) print(`  ${text}`)
      if (content === '...') detailsOf = undefined
    } else if (content === '---') {
      detailsOf = indent <= 2 ? 'file' : 'assertion'
    } else if (content.startsWith('# { total: ')) {
      if (indent === 0) for (const name of Object.keys(sum)) sum[name] = count(content, name)
    } else if ((indent === 0 && content.startsWith('ok ')) || content.startsWith('not ok ')) {
      print(`  ${text}`)
    } else if (!/^(ok \d|\d+\.\.\d|TAP version|# (Subtest: |time=|No coverage)|$)/.test(content)) {
      print(`  ${text}`)
    }
  }
  return { line, sum: () => sum }
}

// Of a file, tap tells above all with which thirty arguments it was run.
function isWorthPrinting(detail, of) {
  if (detail === '...') return false
  return of === 'assertion' || /^(exitCode|signal|expired|timeout|failReason|reason|message)\b/.test(detail)
}

function count(summary, name) {
  return Number(summary.match(new RegExp(`\\b${name}: (\\d+)`))?.[1] ?? 0)
}
