import { setTimeout as delay } from 'node:timers/promises'
import { Gauge, register } from 'prom-client'

/** Measures one part while it runs: a member of the parts that a service starts and closes. */
export type Measured = { start(): void; close(): Promise<void> }

/**
 * Gauges that are measured when the metrics are read, in one round for concurrent reads. A process registers a name
 * once and can create several services, so the gauges show the parts that have started and are not closed.
 * @param described the help of each gauge, with its label if it has one
 * @param measure what a part has now; a gauge with a label has numbers by the value of the label. If it fails or takes
 *   too long, the part's gauges have no value (without a label: NaN), and never an old one
 */
export function gauges<Part, Name extends string>(
  described: Record<Name, string | { help: string; label: string }>,
  measure: (part: Part) => Values<Name> | Promise<Values<Name>>,
): (part: Part) => Measured {
  const parts = new Set<Part>()
  const nothing: Values<Name> = {}
  let round: Promise<void> | undefined

  const measureAll = async () => {
    const measured = [...parts].map(async (part) => {
      const late = delay(withinMs, nothing, { ref: false })
      return await Promise.race([Promise.try(measure, part), late]).catch(() => nothing)
    })
    const values = await Promise.all(measured)
    for (const [gauge, name, label] of all) {
      gauge.reset()
      if (!label) gauge.set(Number.NaN)
      for (const value of values.map((one) => one[name]))
        if (typeof value === 'number') gauge.set(value)
        else if (label) for (const [key, one] of Object.entries(value ?? {})) gauge.set({ [label]: key }, one)
    }
  }
  const all = (Object.keys(described) as Name[]).map((name) => {
    const about = described[name]
    const { help, label } = typeof about === 'string' ? { help: about } : about
    const collect = async () => {
      round ??= measureAll().finally(() => {
        round = undefined
      })
      await round
    }
    return [new Gauge({ name, help, labelNames: label ? [label] : [], collect }), name, label] as const
  })
  return (part) => ({ start: () => void parts.add(part), close: async () => void parts.delete(part) })
}

/** Every gauge by name with its values, but those of Node and the process itself. */
export async function currentGauges() {
  const metrics = await register.getMetricsAsJSON()
  const isOwn = ({ name, type }: { name: string; type: unknown }) =>
    type === 'gauge' && !/^(nodejs|process)_/.test(name)
  return Object.fromEntries(metrics.filter(isOwn).map(({ name, values }) => [name, values as never]))
}

type Values<Name extends string> = { [name in Name]?: number | Record<string, number> }

/** A broker or database that is well answers much sooner, and who asks for `status` waits 1.5 s for the next answer. */
const withinMs = 1_000
