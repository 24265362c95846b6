import { readFileSync } from 'node:fs'
import t from 'tap'
import { settingsPart, settingsTables } from '../../settings.ts'

t.test('the settings tables of the README are up to date (`npm run settings` writes them)', async (t) => {
  const readme = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8')
  t.equal(settingsPart.exec(readme)?.[0], settingsTables())
})
