import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Promtool } from '@cqrs/local-stack/testing'

/** What `/metrics` of each service answers, undefined if it does not, and when it was asked, in ms. */
export type Scrape = { at: number; answers: Record<string, string | undefined> }

const rules = fileURLToPath(new URL('../../../deploy/observability/alerts.yml', import.meta.url))
const minutes = 40

/**
 * Lets Prometheus's own promtool evaluate the rules as if what two scrapes show went on for 40 minutes: each value
 * changes as fast as between the two.
 * @returns undefined if exactly the alerts that are named fire then, else what promtool reports
 */
export async function notFiring(
  promtool: Promtool,
  alerts: readonly string[],
  [first, second]: readonly [Scrape, Scrape],
  directory: string,
): Promise<string | undefined> {
  const before = seriesOf(first, second.at)
  // Whole, as counters are: with fractions the difference of two that grow alike can fall, which rate() takes for a
  // reset.
  const perMinute = Math.max(1, Math.round(60_000 / (second.at - first.at)))
  const input_series = [...seriesOf(second, second.at)].map(([series, value]) => {
    const growth = (value - (before.get(series) ?? value)) * perMinute
    return { series, values: `${value}${growth < 0 ? '-' : '+'}${Math.abs(growth) || 0}x${minutes}` }
  })
  const test = {
    interval: '1m',
    input_series,
    promql_expr_test: [
      {
        expr: 'group by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: `${minutes}m`,
        exp_samples: alerts.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
      },
    ],
  }
  const file = join(directory, 'tests.yml')
  // Each JSON text is also YAML.
  await writeFile(file, JSON.stringify({ rule_files: [rules], evaluation_interval: '1m', tests: [test] }))
  const { code, output } = await promtool('test', 'rules', file)
  return code === 0 ? undefined : output
}

/** All values of a scrape, by series; points in time relative to `now`, as promtool's clock starts at 0. */
function seriesOf({ answers }: Scrape, now: number): Map<string, number> {
  const found = new Map<string, number>()
  for (const [job, text] of Object.entries(answers)) {
    const target = `job="${job}",instance="1"`
    found.set(`up{${target}}`, text === undefined ? 0 : 1)
    for (const [, metric = '', labels = '', value] of text?.matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm) ?? []) {
      const shift = metric.endsWith('_timestamp_seconds') ? now / 1_000 : 0
      found.set(`${metric}{${labels}${labels && ','}${target}}`, Number(value) - shift)
    }
  }
  return found
}
