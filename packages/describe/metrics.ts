import { readFileSync, writeFileSync } from 'node:fs'
import { register } from '@cqrs/service-kit'

const services = {
  'command-api': ['command-api/src/service.ts'],
  projector: ['projector/src/service.ts'],
  'query-api': ['query-api/src/service.ts', 'query-api/src/by-id/redis-cache.ts'],
}

/** The tables of docs/metrics.md: a metric is registered where it is defined, so each service adds its own. */
export async function metricsTables(): Promise<string> {
  const shown = new Set<unknown>()
  const table = (title: string) => {
    const added = (register.getMetricsAsArray() as unknown as Metric[]).filter((metric) => !shown.has(metric))
    for (const metric of added) shown.add(metric)
    const rows = added
      .sort((one, other) => one.name.localeCompare(other.name))
      .map(({ name, type, labelNames, help }) => {
        const labels = labelNames.map((label) => `\`${label}\``).join(', ')
        return `| \`${name}\` | ${type} | ${labels} | ${help} |`
      })
    return `**${title}**\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`
  }
  const tables = [table('every process')]
  for (const [service, modules] of Object.entries(services)) {
    for (const module of modules) await import(`../../services/${module}`)
    tables.push(table(service))
  }
  return tables.join('\n')
}

/** Where docs/metrics.md holds them. */
export const metricsPart = /(?<=<!-- metrics -->\n).*(?=<!-- \/metrics -->)/s

type Metric = { name: string; type: string; labelNames: string[]; help: string }

if (import.meta.main) {
  const page = new URL('../../docs/metrics.md', import.meta.url)
  const tables = await metricsTables()
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(metricsPart, () => tables),
  )
}
