/**
 * The environment of a process whose clock differs from this one's by so many milliseconds. (`faketime` would do the
 * same, but only where the machine has it.)
 */
export function wrongClock(byMs: number): { NODE_OPTIONS: string } {
  const shift = `const Right = Date
    globalThis.Date = class extends Right {
      constructor(...of) { super(...(of.length > 0 ? of : [Right.now() + ${byMs}])) }
      static now() { return Right.now() + ${byMs} }
    }`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift)}` }
}
