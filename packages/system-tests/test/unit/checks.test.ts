import { spawn } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { appendFile, cp, mkdir, readdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { json } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { freshDirectory } from '@cqrs/local-stack/testing'
import t from 'tap'

/** For each rule at least one line that breaks it and no other rule, and the file to which it is added. */
const planted: { rule: string; file: string; line: string }[] = [
  {
    rule: 'services-are-strangers',
    file: 'services/query-api/src/queries/a.ts',
    line: "import type { Config } from '../../../projector/src/config.ts'",
  },
  {
    rule: 'contracts-depend-on-typebox-only',
    file: 'packages/contracts/src/a.ts',
    line: "import { createHash } from 'node:crypto'",
  },
  {
    rule: 'client-stands-alone',
    file: 'packages/client/src/a.ts',
    line: "import type { ProblemCode } from '../../contracts/src/problems.ts'",
  },
  {
    rule: 'client-stands-alone',
    file: 'packages/client/src/b.ts',
    line: "import { randomUUID } from 'node:crypto'",
  },
  {
    rule: 'checker-stands-alone',
    file: 'packages/checker/src/rules/a.ts',
    line: "import type { ProblemCode } from '../../../contracts/src/problems.ts'",
  },
  {
    rule: 'checker-stands-alone',
    file: 'packages/checker/src/a.ts',
    line: "import { createHash } from 'node:crypto'",
  },
  {
    rule: 'telemetry-stands-alone',
    file: 'packages/telemetry/src/a.ts',
    line: "import type { ProblemCode } from '../../contracts/src/problems.ts'",
  },
  {
    rule: 'domain-is-pure',
    file: 'services/command-api/src/domain/a.ts',
    line: "import type { Logger } from '@cqrs/service-kit'",
  },
  {
    rule: 'domain-is-pure',
    file: 'services/command-api/src/domain/b.ts',
    line: "import { randomUUID } from 'node:crypto'",
  },
  {
    rule: 'projections-are-pure',
    file: 'services/projector/src/projections/a.ts',
    line: "import { pause } from '@cqrs/service-kit'",
  },
  {
    rule: 'projections-are-pure',
    file: 'services/projector/src/projections/b.ts',
    line: "import type { Db } from 'mongodb'",
  },
  {
    rule: 'no-libraries-in-the-middle',
    file: 'services/command-api/src/commands/a.ts',
    line: "import { RateLimiterMongo } from 'rate-limiter-flexible'",
  },
  {
    rule: 'no-libraries-in-the-middle',
    file: 'services/command-api/src/commands/b.ts',
    line: "import pLimit from 'p-limit'",
  },
  {
    rule: 'no-libraries-in-the-middle',
    file: 'services/command-api/src/http/a.ts',
    line: "import type { Db } from 'mongodb'",
  },
  {
    rule: 'no-libraries-in-the-middle',
    file: 'services/query-api/src/queries/b.ts',
    line: "import { createClient } from '@redis/client'",
  },
  {
    rule: 'parts-come-from-the-wiring',
    file: 'services/command-api/src/commands/c.ts',
    line: "import { UserRepository } from '../store/user-repository.ts'",
  },
  {
    rule: 'parts-come-from-the-wiring',
    file: 'services/query-api/src/queries/c.ts',
    line: "import { UserReadRepository } from '../read-store/user-read-repository.ts'",
  },
  {
    rule: 'parts-come-from-the-wiring',
    file: 'services/projector/src/read-store/a.ts',
    line: "import { UserConsumer } from '../consuming/user-consumer.ts'",
  },
  {
    rule: 'welcome-email-only-decides',
    file: 'services/projector/src/welcome-email/welcome-email.ts',
    line: "import { Mailer } from './mailer.ts'",
  },
  ...imports('command-api', ['commands → app.ts', 'http → commands/index.ts', 'sign-in → http/context.ts']),
  ...imports('command-api', ['publishing → sign-in/sessions.ts', 'store → publishing/relay.ts']),
  ...imports('projector', ['upkeep → main.ts', 'welcome-email → upkeep/upkeep.ts']),
  ...imports('projector', ['read-store → welcome-email/mailer.ts', 'consuming → read-store/read-model.ts']),
  ...imports('query-api', ['queries → app.ts', 'freshness → queries/index.ts']),
  ...imports('query-api', ['by-id → freshness/applied-notices.ts', 'read-store → by-id/user-cache.ts']),
  {
    rule: 'packages-know-no-service',
    file: 'packages/service-kit/src/a.ts',
    line: "import { Config } from '../../../services/query-api/src/config.ts'",
  },
  {
    rule: 'only-the-operator-knows-the-projector',
    file: 'packages/service-kit/src/b.ts',
    line: "import { projections } from '../../../services/projector/src/index.ts'",
  },
  {
    rule: 'operations-know-no-face',
    file: 'packages/operator/src/operations/a.ts',
    line: "import { progressBar } from '../cli/progress-bar.ts'",
  },
  {
    rule: 'no-test-code-in-production',
    file: 'services/query-api/src/queries/d.ts',
    line: "import { eventually } from '@cqrs/local-stack/testing'",
  },
  {
    rule: 'no-dev-dependency-in-production',
    file: 'services/projector/src/read-store/b.ts',
    line: "import fastCheck from 'fast-check'",
  },
  {
    rule: 'no-circles',
    file: 'packages/contracts/src/a-to-b.ts',
    line: "import type { B } from './b-to-a.ts'\nexport type A = B",
  },
  {
    rule: 'no-circles',
    file: 'packages/contracts/src/b-to-a.ts',
    line: "import type { A } from './a-to-b.ts'\nexport type B = A",
  },
  {
    rule: 'no-unresolved',
    file: 'services/query-api/src/read-store/b.ts',
    line: "import { createTransport } from 'nodemailer'",
  },
]

/** The same for the linter's rules of this kind. */
const plantedForLinter = [
  {
    rule: 'lint/style/noProcessEnv',
    file: 'services/query-api/src/read-store/c.ts',
    line: 'export const uri = process.env.MONGODB_READ_URI',
  },
  {
    rule: 'lint/style/noRestrictedImports',
    file: 'services/command-api/src/commands/d.ts',
    line: "export { mongoClient } from '@cqrs/service-kit'",
  },
  {
    rule: 'lint/style/useConsistentTypeDefinitions',
    file: 'services/projector/src/read-store/d.ts',
    line: 'export interface Shape {\n  size: number\n}',
  },
]

const repository = fileURLToPath(new URL('../../../../', import.meta.url))

t.test('each rule of imports finds what is planted for it, and nothing else', async (t) => {
  const copy = await copyOfSource(t)
  for (const { file, line } of planted) await append(join(copy, file), line)
  const args = ['packages', 'services', '--config', '.dependency-cruiser.mjs', '--output-type', 'json']
  const { summary } = await output('depcruise', args, copy)
  const violations: { rule: { name: string }; from: string; cycle?: { name: string }[] }[] = summary.violations

  for (const { rule, file, line } of planted) {
    const found = violations.filter(({ from, cycle = [{ name: from }] }) => cycle.some(({ name }) => name === file))
    t.strictSame([...new Set(found.map(({ rule }) => rule.name))], [rule], `${file}: ${line}`)
  }
  const withPlant = new Set(planted.map(({ rule }) => rule))
  const rules = summary.ruleSetUsed.forbidden.map(({ name }: any) => name)
  t.strictSame(rules.sort(), [...withPlant].sort(), 'a rule without a plant may find nothing')
})

t.test('the linter finds what is planted for it', async (t) => {
  const copy = await freshDirectory(t)
  for (const file of ['biome.jsonc', '.gitignore']) await cp(join(repository, file), join(copy, file))
  for (const { file, line } of plantedForLinter) await append(join(copy, file), line)
  const { diagnostics } = await output('biome', ['lint', '--reporter=json'], copy)
  const found = diagnostics.map(({ category, location }: any) => `${location.path}: ${category}`)
  t.strictSame(found.sort(), plantedForLinter.map(({ file, rule }) => `${file}: ${rule}`).sort())
})

// The formatter wraps code, but neither comments nor strings.
t.test('no line is longer than 120 characters', async (t) => {
  const exclude = ['**/node_modules', '**/dist', '**/.tap', '**/secrets', 'packages/client/src/api-types.ts']
  const long = globSync(sources, { cwd: repository, exclude }).flatMap((file) =>
    readFileSync(join(repository, file), 'utf8')
      .split('\n')
      .flatMap((line, i) => (line.length > 120 && !isUnbreakable(line, file) ? [`${file}:${i + 1}`] : [])),
  )
  t.strictSame(long, [])
})

const sources = [
  '{packages,services,scripts,deploy,k8s}/**/*.{ts,mjs,js,sh,py,yaml,yml,conf}',
  '.ci/*',
  '.github/**/*.yml',
  '{Dockerfile,docker-compose.yml,pnpm-workspace.yaml,.dependency-cruiser.mjs}',
]

/** A URL or a regular expression; and nginx has no way to split a string. */
const isUnbreakable = (line: string, file: string): boolean => /\S{80}/.test(line) || file.endsWith('.conf')

/** A type from a folder above, or from the wiring, for each folder of a service. */
function imports(service: string, ups: string[]) {
  return ups.map((up) => {
    const [folder, target] = up.split(' → ')
    return {
      rule: `${service}-${folder}-imports-downwards`,
      file: `services/${service}/src/${folder}/up.ts`,
      line: `import type { Something } from '../${target}'`,
    }
  })
}

/** What the rules look at: sources and manifests, with links to the installed libraries. */
async function copyOfSource(t: Parameters<typeof freshDirectory>[0]): Promise<string> {
  const copy = await freshDirectory(t)
  await cp(join(repository, '.dependency-cruiser.mjs'), join(copy, '.dependency-cruiser.mjs'))
  await symlink(join(repository, 'node_modules'), join(copy, 'node_modules'))
  for (const folder of ['packages', 'services']) {
    for (const name of await readdir(join(repository, folder))) {
      for (const part of ['src', 'package.json', 'node_modules']) {
        const from = join(repository, folder, name, part)
        if (existsSync(from))
          await cp(from, join(copy, folder, name, part), { recursive: true, verbatimSymlinks: true })
      }
    }
  }
  return copy
}

async function append(file: string, line: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await appendFile(file, `${line}\n`)
}

async function output(command: string, args: string[], cwd: string): Promise<any> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'ignore'] })
  return await json(child.stdout)
}
