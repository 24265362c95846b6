import type { Outcome } from '@cqrs/checker'
import type { Fault } from '../record.ts'
import type { Sample } from '../recorder.ts'
import { endOfLoad, type Group, groupOf, outcomes } from './records.ts'

/** A history to draw. */
export type Pictured = {
  seed: number
  seconds: number
  samples: readonly Sample[]
  faults: readonly Pick<Fault, 'nemesis' | 'what' | 'from' | 'to' | 'effect'>[]
}

const width = 960
const left = 64
const right = 16
const plotWidth = width - left - right

// Any two differ by 36 and more in Lab, also as the colour-blind see them (Machado's model).
const style = `
  svg { --paper: #ffffff; --ink: #1f2328; --faint: #d0d7de; --blue: #0072b2; --orange: #e69f00; --purple: #5c1a46 }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --faint: #30363d; --blue: #3d9bd6; --orange: #e69f00; --purple: #ffd6ec }
  }
  .paper { fill: var(--paper) }
  text { fill: var(--ink); font: 12px system-ui, sans-serif }
  .title { font-weight: 600 }
  .grid { stroke: var(--faint); fill: none }
  .band { fill: var(--ink); fill-opacity: .1; stroke: var(--ink); stroke-opacity: .35 }
  .without-effect { stroke-dasharray: 4 3; fill-opacity: 0 }
  .ok { fill: var(--blue) } .failed { fill: var(--orange) } .unknown { fill: var(--purple) }
  .p50, .p99, .lost { fill: none; stroke-width: 1.75 }
  .p50 { stroke: var(--blue) } .p99 { stroke: var(--orange) } .lost { stroke: var(--purple) }
  .max { fill: var(--ink); fill-opacity: .55 }
`.trim()

/** Answers per second by outcome, stacked, with the faults as bands. @returns an SVG document */
export function operationsPicture(run: Pictured): string {
  const { x, end, bin, bins } = timesOf(run)
  const counts = Array.from({ length: bins }, () => ({ ok: 0, failed: 0, unknown: 0 }))
  for (const { outcome, end: at } of loadOf(run)) {
    const count = counts[Math.floor(at / bin)]
    if (count && at <= end) count[outcome]++
  }
  // The last bin may be shorter.
  const perSecond = counts.map(({ ok, failed, unknown }, i) => {
    const seconds = (Math.min((i + 1) * bin, end) - i * bin) / 1_000
    return { ok: ok / seconds, failed: failed / seconds, unknown: unknown / seconds }
  })
  const highest = Math.max(1, ...perSecond.map(({ ok, failed, unknown }) => ok + failed + unknown))
  const step = stepFor(highest)
  const most = Math.ceil(highest / step) * step
  const bands = bandsOf(run, x)
  const top = 60 + bands.height
  const height = 220
  const y = (value: number) => top + height * (1 - value / most)

  const areas = outcomes.map((outcome, layer) => {
    const below = (one: Record<Outcome, number>) => outcomes.slice(0, layer).reduce((sum, each) => sum + one[each], 0)
    const bars = perSecond.flatMap((one, i) => {
      if (one[outcome] === 0) return []
      const from = below(one)
      const [x0, x1] = [x(i * bin), x(Math.min((i + 1) * bin, end))]
      return `M${n(x0)} ${n(y(from))}V${n(y(from + one[outcome]))}H${n(x1)}V${n(y(from))}z`
    })
    return `<path class="${outcome}" d="${wrapped(bars)}"/>`
  })
  const values = Array.from({ length: most / step + 1 }, (_, i) => i * step)
  const ticks = values.map((value) => ({ y: y(value), label: value.toLocaleString('en-US') }))
  return document({
    title: `Answers per second by outcome, seed ${run.seed}`,
    height: top + height + 44,
    parts: [
      legend([
        { mark: '<rect class="ok" width="12" height="12"/>', label: 'ok' },
        { mark: '<rect class="failed" width="12" height="12"/>', label: 'refused' },
        { mark: '<rect class="unknown" width="12" height="12"/>', label: 'unknown: no answer, or 503' },
      ]),
      ...gridOf(ticks),
      ...bands.draw(top, top + height),
      ...areas,
      ...timeAxis(x, end, top + height),
    ],
  })
}

/** Time to the answer, of commands and of queries, with the faults as bands. @returns an SVG document */
export function latencyPicture(run: Pictured): string {
  const { x, end, bin, bins } = timesOf(run)
  const bands = bandsOf(run, x)
  const top = 60 + bands.height
  const panel = 150
  const gap = 34
  const load = loadOf(run)
  // Too many for the arguments of Math.max.
  const longest = load.reduce((most, { begin, end }) => Math.max(most, end - begin), 1_000)
  const decades = Math.ceil(Math.log10(longest))
  const panels = (['command', 'query'] as const).map((group, i) => {
    const panelTop = top + i * (panel + gap)
    const y = (ms: number) => panelTop + panel * (1 - Math.log10(Math.min(Math.max(ms, 1), 10 ** decades)) / decades)
    const ticks = Array.from({ length: decades + 1 }, (_, power) => ({
      y: y(10 ** power),
      label: duration(10 ** power),
    }))
    const name = group === 'command' ? 'commands' : 'queries'
    return {
      frame: [...gridOf(ticks), `<text class="title" x="${left}" y="${panelTop - 8}">${name}</text>`],
      data: [`<g class="${name}">`, ...latencies(load, group, { x, y, bin, bins, end }), '</g>'],
    }
  })
  const bottom = top + 2 * panel + gap
  return document({
    title: `Time to the answer, seed ${run.seed}`,
    height: bottom + 44,
    parts: [
      legend([
        { mark: '<path class="p50" d="M0 6h14"/>', label: `median of ${bin === 1_000 ? 'a second' : duration(bin)}` },
        { mark: '<path class="p99" d="M0 6h14"/>', label: '99th percentile' },
        { mark: '<circle class="max" cx="6" cy="6" r="2"/>', label: 'longest' },
        { mark: `<path class="lost" d="${cross(6, 6)}"/>`, label: 'unknown: no answer, or 503' },
      ]),
      ...panels.flatMap(({ frame }) => frame),
      ...bands.draw(top, bottom),
      ...panels.flatMap(({ data }) => data),
      ...timeAxis(x, end, bottom),
    ],
  })
}

type Scales = { x: Scale; y: Scale; bin: number; bins: number; end: number }
type Scale = (value: number) => number

/** By the second in which the request was sent. */
function latencies(load: Sample[], group: Group, { x, y, bin, bins, end }: Scales): string[] {
  const ofGroup = load.filter(({ kind }) => groupOf[kind] === group)
  const answered = Array.from({ length: bins }, (): number[] => [])
  for (const sample of ofGroup)
    if (sample.outcome === 'ok') answered[Math.floor(sample.begin / bin)]?.push(sample.end - sample.begin)
  for (const times of answered) times.sort((one, other) => one - other)
  const line = (share: number) => {
    const steps = answered.map((times, i) => {
      const time = times[Math.floor(share * (times.length - 1))]
      if (time === undefined) return ''
      const isJoined = i > 0 && answered[i - 1]?.length
      const from = `${isJoined ? 'V' : `M${n(x(i * bin))} `}${n(y(time))}`
      return `${from}H${n(x(Math.min((i + 1) * bin, end)))}`
    })
    return wrapped(steps)
  }
  const middle = (i: number) => x(Math.min((i + 0.5) * bin, end))
  const longest = answered.flatMap((times, i) => {
    const time = times.at(-1)
    return time === undefined ? [] : `<circle class="max" cx="${n(middle(i))}" cy="${n(y(time))}" r="2"/>`
  })
  // Those that hide each other are drawn once, so that a picture stays small.
  const lost = new Set(
    ofGroup
      .filter(({ outcome }) => outcome === 'unknown')
      .map(({ begin, end }) => cross(Math.round(x(begin) / 3) * 3, Math.round(y(end - begin) / 3) * 3)),
  )
  return [
    ...longest,
    `<path class="p99" d="${line(0.99)}"/>`,
    `<path class="p50" d="${line(0.5)}"/>`,
    `<path class="lost" d="${wrapped([...lost])}"/>`,
  ]
}

/** What clients sent while they were under load, without the last look. */
function loadOf({ samples, seconds, faults }: Pictured): Sample[] {
  const end = endOfLoad(seconds, faults)
  return samples.filter(({ kind, begin }) => groupOf[kind] !== 'observer' && begin < end)
}

/** One second a bin, or more if they would be too narrow to see. */
function timesOf({ seconds, faults }: Pictured) {
  const end = endOfLoad(seconds, faults)
  const bin = Math.ceil(end / 1_000 / 440) * 1_000
  const x = (ms: number) => left + (plotWidth * Math.min(ms, end)) / end
  return { x, end, bin, bins: Math.ceil(end / bin) }
}

const laneHeight = 17

/** The faults, each with its label above it, in as many lanes as they need. */
function bandsOf({ faults }: Pictured, x: Scale) {
  const ends: number[] = []
  const placed = faults
    .toSorted((one, other) => one.from - other.from)
    .map((fault) => {
      const label = `${fault.nemesis}: ${fault.what}${fault.effect ? '' : ' (no effect)'}`
      const from = x(fault.from)
      const labelWidth = label.length * 6.2 + 8
      // Near the right border it ends where the band ends.
      const isRight = from + labelWidth > width
      const labelX = isRight ? Math.max(x(fault.to), from + 4) : from
      const [begin, end] = isRight ? [labelX - labelWidth, labelX] : [from, Math.max(x(fault.to), from + labelWidth)]
      const free = ends.findIndex((taken) => taken < begin)
      const lane = free < 0 ? ends.length : free
      ends[lane] = end
      return { fault, label, lane, isRight, labelX }
    })
  return {
    height: ends.length * laneHeight,
    draw: (top: number, bottom: number) =>
      placed.flatMap(({ fault: { from, to, effect }, label, lane, isRight, labelX }) => {
        const laneTop = top - 26 - (ends.length - lane - 1) * laneHeight
        const wide = Math.max(x(to) - x(from), 1)
        const text = isRight ? `x="${n(labelX - 3)}" text-anchor="end"` : `x="${n(labelX + 3)}"`
        return [
          `<rect class="band${effect ? '' : ' without-effect'}" x="${n(x(from))}" y="${laneTop}"`,
          `  width="${n(wide)}" height="${bottom - laneTop}"><title>${escaped(label)}</title></rect>`,
          `<text ${text} y="${laneTop + 12}">${escaped(label)}</text>`,
        ]
      }),
  }
}

function document({ title, height, parts }: { title: string; height: number; parts: string[] }): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    `<text class="title" x="${left}" y="20">${escaped(title)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function legend(entries: { mark: string; label: string }[]): string {
  let at = width - right
  const drawn = entries.toReversed().map(({ mark, label }) => {
    at -= label.length * 6.2 + 18
    const entry = `<g transform="translate(${n(at)} 10)">${mark}\n  <text x="18" y="10">${label}</text></g>`
    at -= 14
    return entry
  })
  return drawn.toReversed().join('\n')
}

const gridOf = (ticks: { y: number; label: string }[]): string[] =>
  ticks.flatMap(({ y, label }) => [
    `<path class="grid" d="M${left} ${n(y)}H${width - right}"/>`,
    `<text x="${left - 8}" y="${n(y + 4)}" text-anchor="end">${label}</text>`,
  ])

function timeAxis(x: Scale, end: number, bottom: number): string[] {
  const step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600].find((step) => end / 1_000 / step <= 12) ?? 7_200
  const ticks = Array.from({ length: Math.floor(end / 1_000 / step) + 1 }, (_, i) => i * step)
  return [
    ...ticks.flatMap((second) => [
      `<path class="grid" d="M${n(x(second * 1_000))} ${bottom}v5"/>`,
      `<text x="${n(x(second * 1_000))}" y="${bottom + 18}" text-anchor="middle">${second} s</text>`,
    ]),
    `<text x="${width / 2}" y="${bottom + 36}" text-anchor="middle">since the beginning of the history</text>`,
  ]
}

/** 1, 2, 5, 10, 20, …: the least that needs five steps at most. */
function stepFor(most: number): number {
  for (let power = 1; ; power *= 10) for (const digit of [1, 2, 5]) if (digit * power * 5 >= most) return digit * power
}

const cross = (x: number, y: number): string => `M${x - 3} ${y - 3}l6 6m-6 0l6 -6`
const n = (value: number): string => String(Math.round(value * 10) / 10)
const duration = (ms: number): string => (ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`)
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

/** Joins parts of a path, a few on a line. */
function wrapped(parts: string[]): string {
  const lines = ['']
  for (const part of parts) {
    const line = lines.at(-1) as string
    if (line.length + part.length > 90) lines.push(part)
    else lines[lines.length - 1] = line + part
  }
  return lines.join('\n')
}
