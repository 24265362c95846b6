import { readFileSync, writeFileSync } from 'node:fs'
import { Config as CommandApi } from '../../services/command-api/src/config.ts'
import { Config as Projector } from '../../services/projector/src/config.ts'
import { Config as QueryApi } from '../../services/query-api/src/config.ts'
import { Config as Operator } from '../operator/src/config.ts'

/** The settings tables of the README, from the `config.ts` of each service. */
export const settingsTables = (): string =>
  Object.entries({ 'command-api': CommandApi, projector: Projector, 'query-api': QueryApi, operator: Operator })
    .map(([service, { properties, required }]) => {
      const rows = Object.entries(properties as Record<string, Setting>).map(([name, setting]) => {
        const fallback = setting.default ?? (required.includes(name as never) ? '**required**' : '')
        return `| \`${name}\` | ${fallback} | ${setting.description} |`
      })
      return `**${service}**\n\n| setting | default | meaning |\n|---|---|---|\n${rows.join('\n')}\n`
    })
    .join('\n')

/** Where the README holds them. */
export const settingsPart = /(?<=<!-- settings -->\n).*(?=<!-- \/settings -->)/s

type Setting = { default?: string | number; description?: string }

if (import.meta.main) {
  const readme = new URL('../../README.md', import.meta.url)
  writeFileSync(readme, readFileSync(readme, 'utf8').replace(settingsPart, settingsTables()))
}
