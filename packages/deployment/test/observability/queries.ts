import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'

const folder = new URL('../../../../deploy/observability/', import.meta.url)
const read = (file: string) => readFileSync(new URL(file, folder), 'utf8')

/** The boards of Grafana, by their files. */
export const boards: ReadonlyMap<string, any> = new Map(
  readdirSync(new URL('grafana/boards/', folder)).map((file) => [file, JSON.parse(read(`grafana/boards/${file}`))]),
)

/** The groups of rules of Prometheus. */
export const ruleGroups: any[] = parse(read('alerts.yml')).groups

const rules: any[] = ruleGroups.flatMap(({ rules }) => rules)

/** Every query of a board or a rule. Grafana's variables for times are replaced by times. */
export const queries: readonly { where: string; expr: string }[] = [
  ...rules.map(({ alert, record, expr }) => ({ where: alert ?? record, expr })),
  ...[...boards].flatMap(([file, { panels }]) =>
    panels.flatMap(({ title, targets = [] }: any) =>
      targets.map(({ expr }: any) => ({ where: `${file}: ${title}`, expr: expr.replaceAll('$__rate_interval', '5m') })),
    ),
  ),
]

/** A metric as a query names it. A value is given for `label="value"` only. */
type Selector = { metric: string; labels: { name: string; value?: string }[] }

/** The metrics that a PromQL query names, and the labels by which it groups or joins them. */
export function namesOf(expr: string): { selectors: Selector[]; groupedBy: string[] } {
  const groupedBy: string[] = []
  const grouping = /\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)/g
  const rest = expr
    .replaceAll(grouping, (_, labels: string) => {
      groupedBy.push(...(labels.match(/\w+/g) ?? []))
      return ' '
    })
    .replaceAll(/\[[^\]]*\]/g, ' ')
  const selectors = [...rest.matchAll(/("[^"]*")|(?<![\w.])([a-zA-Z_:][\w:]*)(?![\w:])(\s*\()?\s*(\{[^}]*\})?/g)]
    .filter(([, text, name = '', call]) => !text && !call && !operators.has(name))
    .map(([, , metric = '', , matchers = '']) => ({
      metric,
      labels: [...matchers.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(([, name = '', operator, value]) => ({
        name,
        ...(operator === '=' && { value }),
      })),
    }))
  return { selectors, groupedBy }
}

const operators = new Set(['and', 'or', 'unless', 'bool', 'offset', 'sum', 'max', 'min', 'count', 'inf', 'nan'])

/** What Prometheus itself makes: metrics of its scrapes and alerts, and labels of the target. */
const ofPrometheus = new Set(['up', 'ALERTS'])
const ofTargets = new Set(['job', 'instance'])

/**
 * The metrics and labels that a board or a rule names and that none of these answers of `/metrics` has. A label by
 * which a query groups has to be one of some metric in it.
 */
export function unknownNames(answers: readonly string[], asked = queries, recording: any[] = rules): string[] {
  const known = new Map<string, Map<string, Set<string>>>()
  const learn = (metric: string, label: string, value: string) => {
    const labels = known.get(metric) ?? known.set(metric, new Map()).get(metric)
    if (label) labels?.set(label, (labels.get(label) ?? new Set()).add(value))
  }
  for (const [, metric = '', labels = ''] of answers.join('\n').matchAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/gm)) {
    learn(metric, '', '')
    for (const [, name = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) learn(metric, name, value)
  }
  for (const { record, labels = {}, expr } of recording.filter(({ record }) => record)) {
    learn(record, '', '')
    for (const name of [...Object.keys(labels), ...namesOf(expr).groupedBy]) learn(record, name, labels[name] ?? '')
  }

  const problems = asked.flatMap(({ where, expr }) => {
    const { selectors, groupedBy } = namesOf(expr)
    const ours = selectors.filter(({ metric }) => !ofPrometheus.has(metric))
    const hasAny = (label: string) =>
      ours.length < selectors.length || ours.some(({ metric }) => known.get(metric)?.has(label))
    return [
      ...ours.filter(({ metric }) => !known.has(metric)).map(({ metric }) => `${where}: ${metric}`),
      ...ours.flatMap(({ metric, labels }) =>
        labels
          .filter(({ name }) => !ofTargets.has(name) && known.has(metric))
          .filter(({ name, value = [...(known.get(metric)?.get(name) ?? [])][0] }) => {
            return value === undefined || !known.get(metric)?.get(name)?.has(value)
          })
          .map(({ name, value }) => `${where}: ${metric}{${name}${value === undefined ? '' : `="${value}"`}}`),
      ),
      ...groupedBy.filter((label) => !ofTargets.has(label) && !hasAny(label)).map((label) => `${where}: by (${label})`),
    ]
  })
  return [...new Set(problems)]
}
