import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPromtool } from '@cqrs/local-stack/testing'
import t from 'tap'
import { stringify } from 'yaml'
import { prometheusRule, prometheusRuleFile } from '../../alerts.ts'
import { casesFor, promtoolTests } from '../observability/alert-cases.ts'
import { ruleGroups } from '../observability/queries.ts'

const root = new URL('../../../../', import.meta.url)
const read = (file: string) => readFileSync(new URL(file, root), 'utf8')
const rulesFile = fileURLToPath(new URL('deploy/observability/alerts.yml', root))
const alerts: any[] = ruleGroups.flatMap(({ rules }) => rules).filter(({ alert }: any) => alert)
const promtool = await findPromtool()
const impossible = promtool ? false : 'needs promtool on PATH, or apt-get of Debian for the package `prometheus`'

t.test('each alert has a severity, a summary, a runbook and a case that makes it fire', async (t) => {
  const names = alerts.map(({ alert }) => alert)
  t.strictSame(names, [...new Set(names)])
  t.strictSame([...casesFor].sort(), [...names].sort())
  const thresholds = /^### Thresholds\n(.*?)^### /ms.exec(read('docs/operations.md'))?.[1] ?? ''
  const sections = new Map(
    [...read('docs/operations.md').matchAll(/^### (\w+)\n(.*?)(?=^##)/gms)].map(([, name, text]) => [name, text]),
  )
  for (const { alert, labels, annotations } of alerts) {
    t.match(labels.severity, /^(critical|warning)$/, alert)
    t.match(annotations.summary, /^\S.{20,}/, alert)
    t.ok(annotations.runbook_url.endsWith(`/docs/operations.md#${alert.toLowerCase()}`), alert)
    for (const part of ['Look', 'Expect', 'Escalate']) t.match(sections.get(alert), `**${part}:**`, `runbook ${alert}`)
    t.match(thresholds, `\`${alert}\``)
  }
})

t.test('the rules for Kubernetes are the same', async (t) => {
  t.equal(readFileSync(prometheusRuleFile, 'utf8'), prometheusRule(), 'otherwise run `npm run alerts`')
})

t.test('the rules are valid for Prometheus', { skip: impossible }, async (t) => {
  t.match(await promtool?.('check', 'rules', '--lint-fatal', rulesFile), { code: 0 })
})

t.test('each alert fires when it has to, and only then', { skip: impossible }, async (t) => {
  const directory = t.testdir({ 'tests.yml': stringify(promtoolTests(rulesFile)) })
  const result = await promtool?.('test', 'rules', join(directory, 'tests.yml'))
  t.equal(result?.code, 0, result?.output ?? 'no promtool')
})
