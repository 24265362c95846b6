import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { mistakesIn } from '../workflows/language-service.ts'

const root = new URL('../../../../', import.meta.url)
const folder = new URL('.github/workflows/', root)
const workflows = readdirSync(folder).map((name) => {
  const text = readFileSync(new URL(name, folder), 'utf8')
  return { name, text, workflow: parse(text) }
})

t.test('the language service finds mistakes', async (t) => {
  const wrong = `on: push
jobs:
  a:
    runs-on: ubuntu-24.04
    permissons: {}
    steps:
      - run: echo \${{ github.nothing }}
`
  t.match(await mistakesIn('wrong.yml', wrong), [
    'wrong.yml:7: Context access might be invalid: nothing',
    "wrong.yml:5: Unexpected value 'permissons'",
  ])
})

const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

for (const { name, text, workflow } of workflows) {
  const jobs: any[] = Object.values(workflow.jobs)
  const steps: any[] = jobs.flatMap((job) => job.steps)

  t.test(`${name} matches GitHub’s schema`, async (t) => {
    t.strictSame(await mistakesIn(name, text), [])
  })

  t.test(`${name}: every action is pinned by commit, with its version in a comment`, async (t) => {
    for (const [line] of text.matchAll(/uses: .*/g)) t.match(line, /^uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  t.test(`${name} may only read the code; a job that needs more declares it`, async (t) => {
    t.ok(workflow.permissions, 'otherwise the repository’s default applies')
    for (const [scope, right] of Object.entries(workflow.permissions)) t.equal(`${scope}: ${right}`, 'contents: read')
    const granting = jobs.filter((job) => Object.values(job.permissions ?? {}).includes('write'))
    t.equal(granting.length > 0, name === 'release.yml')
    for (const { uses, with: inputs } of steps) {
      if (uses?.startsWith('actions/checkout@')) t.equal(inputs['persist-credentials'], false)
    }
  })

  t.test(`${name}: jobs have a timeout, and runs of the same branch do not pile up`, async (t) => {
    for (const job of jobs) t.ok(job['timeout-minutes'] <= (name === 'nightly.yml' ? 180 : 60))
    t.ok(workflow.concurrency.group)
  })

  t.test(`${name}: the files that it names exist`, async (t) => {
    const here = (file: string) => t.ok(existsSync(new URL(file, root)), file)
    for (const { run = '', uses = '', with: inputs } of steps) {
      for (const [, file = ''] of run.matchAll(/\b(?:bash|node) (\S+)/g)) here(file)
      for (const [, script = ''] of run.matchAll(/npm run ([\w:]+)/g)) t.ok(scripts[script], script)
      if (run.includes('npm test -- ')) here(`packages/${run.split('npm test -- ')[1]}/package.json`)
      if (uses.startsWith('docker/build-push-action@')) here(inputs.file ?? 'Dockerfile')
      if (inputs?.['node-version-file']) here(inputs['node-version-file'])
    }
  })

  t.test(`${name}: no expression is expanded inside a command`, async (t) => {
    for (const { run = '' } of steps) t.notMatch(run, /\$\{\{/)
  })

  t.test(`${name}: a matrix of services has all of them`, async (t) => {
    for (const { strategy } of jobs) {
      if (strategy)
        t.strictSame(strategy.matrix.service, [...readdirSync(new URL('services/', root)), 'operator'].sort())
    }
  })
}

t.test('an image is released only if the scan accepts it, and with provenance and an SBOM', async (t) => {
  const { workflow } = workflows.find(({ name }) => name === 'release.yml') ?? {}
  const steps: any[] = workflow.jobs.images.steps
  const names = steps.map(({ name }) => name).filter(Boolean)
  t.strictSame(names, ['Compare the tag with package.json', 'Name the image', 'Build', 'Scan', 'Push', 'Attest'])
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  const compare = (tag: string) =>
    spawnSync('bash', ['-c', steps.find(({ name }) => name === names[0]).run], {
      cwd: root,
      env: { ...process.env, GITHUB_REF_NAME: tag },
    }).status
  t.equal(compare(`v${version}`), 0)
  t.equal(compare('v9.9.9'), 1, 'a tag of another version')
  const inputsOf = (name: string) => steps.find((step) => step.name === name).with
  t.equal(inputsOf('Scan')['exit-code'], '1')
  t.match(inputsOf('Push'), { push: true, provenance: 'mode=max', sbom: true })
  t.equal(inputsOf('Build').push, undefined)
  t.equal(inputsOf('Attest')['subject-digest'], `\${{ steps.push.outputs.digest }}`)
})
