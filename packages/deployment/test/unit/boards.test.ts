import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPromtool } from '@cqrs/local-stack/testing'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { boards, namesOf, queries, unknownNames } from '../observability/queries.ts'

const root = new URL('../../../../', import.meta.url)
const read = (file: string) => readFileSync(new URL(file, root), 'utf8')
const { services } = parse(read('docker-compose.yml'), { merge: true })
const promtool = await findPromtool()
const impossible = promtool ? false : 'needs promtool on PATH, or apt-get of Debian for the package `prometheus`'

/** Where a container finds a file of this repository. */
const mounted = (container: string): Map<string, string> =>
  new Map(services[container].volumes.map((volume: string) => volume.split(':').slice(0, 2)))

t.test('there are three boards, which link to each other and to those of NATS and MongoDB', async (t) => {
  t.strictSame([...boards.keys()].sort(), ['overview.json', 'read-side.json', 'write-side.json'])
  for (const [file, { uid, tags, links }] of boards) {
    t.equal(uid, `users-${file.replace('.json', '')}`)
    t.ok(links.some(({ type, tags: [tag] = [] }: any) => type === 'dashboards' && tags.includes(tag)))
    for (const part of ['nats-jetstream', 'mongodb'])
      t.ok(
        links.some(
          ({ url = '' }: any) => url.startsWith('https://grafana.com/grafana/dashboards/') && url.includes(part),
        ),
      )
  }
})

for (const [file, { panels, templating }] of boards) {
  t.test(`${file}: each panel has a title, a unit, queries and a place of its own`, async (t) => {
    const ids = panels.map(({ id }: any) => id)
    t.strictSame(ids, [...new Set(ids)])
    const cells = new Set<string>()
    for (const { title, type, datasource, targets, fieldConfig, gridPos } of panels) {
      t.ok(title)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          if (x >= 24 || cells.has(`${x} ${y}`)) t.fail(`${title} overlaps another panel`)
          cells.add(`${x} ${y}`)
        }
      if (type === 'row') continue
      t.ok(fieldConfig.defaults.unit, title)
      t.ok(targets.length > 0, title)
      for (const one of [datasource, ...targets.map(({ datasource }: any) => datasource)])
        t.match(one, { type: 'prometheus', uid: /^\$\{datasource\}$/ }, title)
      for (const { expr, legendFormat } of targets)
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          t.ok(namesOf(expr).groupedBy.includes(label) || /^slo:/.test(expr), `${title}: {{${label}}}`)
    }
    t.match(templating.list, [{ name: 'datasource', type: 'datasource', query: 'prometheus' }])
  })
}

t.test('Grafana finds its boards and Prometheus, and Prometheus its rules and every service', async (t) => {
  const grafana = 'deploy/observability/grafana'
  const { datasources } = parse(read(`${grafana}/provisioning/datasources/prometheus.yml`))
  t.match(datasources, [{ uid: 'prometheus', type: 'prometheus', url: 'http://prometheus:9090', isDefault: true }])
  for (const { templating } of boards.values()) t.equal(templating.list[0].current.value, datasources[0].uid)
  const { providers } = parse(read(`${grafana}/provisioning/dashboards/users.yml`))
  t.equal(mounted('grafana').get(`./${grafana}/boards`), providers[0].options.path)
  t.equal(mounted('grafana').get(`./${grafana}/provisioning`), '/etc/grafana/provisioning')
  const home: string = services.grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH
  t.ok(boards.has(home.replace(`${providers[0].options.path}/`, '')))
  t.ok(services.grafana.networks.some((network: string) => services.prometheus.networks.includes(network)))

  const { rule_files, scrape_configs } = parse(read('deploy/observability/prometheus.yml'))
  for (const file of ['prometheus.yml', ...rule_files])
    t.equal(mounted('prometheus').get(`./deploy/observability/${file}`), `/etc/prometheus/${file}`)
  for (const { job_name, dns_sd_configs } of scrape_configs) {
    t.strictSame(dns_sd_configs[0].names, [job_name])
    t.equal(dns_sd_configs[0].port, services[job_name].environment.METRICS_PORT)
  }
  t.strictSame(
    scrape_configs.map(({ job_name }: any) => job_name),
    ['command-api', 'projector', 'query-api'],
  )
})

t.test('Prometheus accepts its configuration, and every query of a board', { skip: impossible }, async (t) => {
  const file = fileURLToPath(new URL('deploy/observability/prometheus.yml', root))
  const configured = await promtool?.('check', 'config', file)
  t.equal(configured?.code, 0, configured?.output ?? '')
  const rules = queries.map(({ expr }, i) => ({ record: `query:${i}`, expr }))
  const directory = t.testdir({ 'queries.yml': stringify({ groups: [{ name: 'queries', rules }] }) })
  const parsed = await promtool?.('check', 'rules', join(directory, 'queries.yml'))
  t.equal(parsed?.code, 0, parsed?.output ?? '')
})

t.test('the names in a query are found', async (t) => {
  const query =
    'max by (a, b) (rate(one_total{c="x", d=~"y|z"}[5m])) / on (a) group_left () (two > 0.5) or slo:bad * 1e3'
  t.strictSame(namesOf(query), {
    selectors: [
      { metric: 'one_total', labels: [{ name: 'c', value: 'x' }, { name: 'd' }] },
      { metric: 'two', labels: [] },
      { metric: 'slo:bad', labels: [] },
    ],
    groupedBy: ['a', 'b', 'a'],
  })
})

t.test('a metric, a label and a value that nobody answers are named', async (t) => {
  const answers = ['# HELP one_total One\none_total{c="x",instance_id="1"} 5\n', 'seconds_bucket{le="1"} NaN\n']
  const unknown = (expr: string) => unknownNames(answers, [{ where: 'here', expr }], [])
  t.strictSame(unknown('sum by (c) (one_total{c="x", job="j"}) / up + histogram_quantile(0.9, seconds_bucket)'), [])
  t.strictSame(unknown('two_total'), ['here: two_total'])
  t.strictSame(unknown('one_total{c="y"}'), ['here: one_total{c="y"}'])
  t.strictSame(unknown('one_total{d=~"x"}'), ['here: one_total{d}'])
  t.strictSame(unknown('sum by (d) (one_total)'), ['here: by (d)'])
})
