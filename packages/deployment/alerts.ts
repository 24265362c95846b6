import { readFileSync, writeFileSync } from 'node:fs'

// `npm run alerts` copies the rules of Prometheus into the object that the Prometheus operator reads.
const file = (path: string) => new URL(`../../${path}`, import.meta.url)

/** The file of that object. */
export const prometheusRuleFile = file('k8s/components/service-monitor/prometheus-rule.yaml')

/** What it has to contain. */
export function prometheusRule(): string {
  const rules = readFileSync(file('deploy/observability/alerts.yml'), 'utf8').replace(/^(#.*\n)+/, '')
  return `# \`npm run alerts\` writes this file from deploy/observability/alerts.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: users
spec:
${rules.replaceAll(/^(?=.)/gm, '  ')}`
}

if (import.meta.main) writeFileSync(prometheusRuleFile, prometheusRule())
