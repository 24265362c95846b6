import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { type KubernetesObject, ofKind, overlays } from '../kubernetes/overlays.ts'
import { podsOf, selects } from '../kubernetes/pods.ts'
import { referencesOf } from '../kubernetes/references.ts'
import { ruleGroups } from '../observability/queries.ts'

const run = promisify(execFile)
const root = new URL('../../../../', import.meta.url)
const read = (file: string) => readFileSync(new URL(file, root), 'utf8')
const deployment = read('docs/deployment.md')
const { version } = JSON.parse(read('package.json')) as { version: string }

t.test('there are overlays for a local cluster and for production', async (t) => {
  t.strictSame([...overlays.keys()], ['local', 'production'])
})

for (const [overlay, objects] of overlays) {
  t.test(`${overlay}: every object matches the schema of its kind`, async (t) => {
    for (const object of objects) {
      const { [object.kind]: Model } = await import(moduleOf(object))
      t.doesNotThrow(() => new Model(object).validate(), titleOf(object))
    }
  })

  // The schemas accept unknown fields, as Kubernetes does: a misspelt `replicas` would be silently ignored.
  t.test(`${overlay}: no object has a field unknown to its kind`, async (t) => {
    const lines = objects.map(
      (object, i) => `export const o${i}: import('${moduleOf(object)}').I${object.kind} = ${JSON.stringify(object)}\n`,
    )
    const directory = t.testdir({ 'objects.ts': lines.join('') })
    const options = ['--noEmit', '--ignoreConfig', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', '']
    const { stdout } = await run('tsc', [...options, join(directory, 'objects.ts')]).catch((error) => error)
    t.equal(stdout, '')
  })

  t.test(`${overlay}: everything is in the namespace \`users\`, once`, async (t) => {
    const titles = objects.map(titleOf)
    t.strictSame(titles, [...new Set(titles)])
    const outside = objects.filter(({ metadata }) => metadata.namespace !== 'users').map(titleOf)
    t.strictSame(
      outside.filter((title) => !title.startsWith('GatewayClass ')),
      ['Namespace users'],
    )
  })

  t.test(`${overlay}: what a pod refers to exists, or docs/deployment.md says to create it`, async (t) => {
    const titles = new Set(objects.map(titleOf))
    for (const pod of podsOf(objects)) {
      for (const { kind, name } of referencesOf(pod)) {
        const isDocumented = overlay === 'production' && deployment.includes(`\`${name}\``)
        t.ok(titles.has(`${kind} ${name}`) || isDocumented, `${pod.title} → ${kind} ${name}`)
      }
    }
  })

  t.test(`${overlay}: each Service selects pods of one kind, which have its ports`, async (t) => {
    for (const { metadata, spec } of ofKind(objects, 'Service')) {
      const pods = podsOf(objects).filter(({ labels }) => selects({ matchLabels: spec.selector }, labels))
      t.equal(pods.length, 1, metadata.name)
      const ports = pods.flatMap((pod) => pod.spec.containers).flatMap((container) => container.ports)
      for (const { targetPort } of spec.ports) t.ok(ports.some(({ name }) => name === targetPort))
    }
  })

  t.test(`${overlay}: each image has a version`, async (t) => {
    for (const { spec } of podsOf(objects)) {
      for (const { image } of spec.containers) t.match(image, /^[a-z0-9./-]+:(?!latest)[\w.-]+$/)
    }
  })
}

t.test('jobs and images carry the version of package.json: a release that forgets one is found', async (t) => {
  for (const [overlay, objects] of overlays) {
    t.strictSame(ofOtherVersions(objects, version), [], overlay)
    const forgotten = ofOtherVersions(objects, '9.9.9')
    for (const { title } of podsOf(objects).filter(({ owner }) => owner.kind === 'Job')) t.ok(forgotten.includes(title))
    const images = forgotten.filter((name) => name.startsWith('ghcr.io/'))
    t.equal(images.length, overlay === 'production' ? 4 : 0)
  }
})

t.test('every package states the version of the root', async (t) => {
  const packages = globSync(['packages/**/package.json', 'services/*/package.json'], {
    cwd: root,
    exclude: ['**/node_modules'],
  })
  t.ok(packages.length > 8)
  for (const file of packages) t.equal(JSON.parse(read(file)).version, version, file)
})

t.test('production has the rules of Prometheus', async (t) => {
  const rules = ofKind(overlays.get('production') ?? [], 'PrometheusRule').map(({ spec }) => spec)
  t.strictSame(rules, [{ groups: ruleGroups }])
})

t.test('GitOps tools replace a migration whose settings changed', async (t) => {
  for (const { metadata } of ofKind(overlays.get('production') ?? [], 'Job'))
    t.strictSame(metadata.annotations, {
      'argocd.argoproj.io/sync-options': 'Force=true,Replace=true',
      'kustomize.toolkit.fluxcd.io/force': 'enabled',
    })
})

t.test('every program that one of our pods runs is built', async (t) => {
  for (const { title, labels, spec } of podsOf(overlays.get('production') ?? [])) {
    for (const { command = [] } of spec.containers) {
      if (command[0] !== 'node') continue
      const source = command[1].replace('dist/', 'src/').replace('.js', '.ts')
      const name = labels['app.kubernetes.io/name']
      const found = globSync(`{packages,services}/${name}/${source}`, { cwd: root })
      t.equal(found.length, 1, `${title}: ${source}`)
    }
  }
})

t.test('the kubectl commands in docs/deployment.md find their objects', async (t) => {
  const commands = deployment.match(/^kubectl .*$/gm) ?? []
  t.ok(commands.length >= 4)
  for (const command of commands) {
    const [, folder] = /-k (\S+)/.exec(command) ?? []
    if (folder) t.ok(overlays.has(folder.replace('k8s/overlays/', '')), command)
    const [, label = '', value] = /--selector ([^=]+)=(\S+)/.exec(command) ?? []
    if (!label) continue
    for (const [overlay, objects] of overlays) {
      t.ok(
        ofKind(objects, 'Job').some(({ metadata }) => metadata.labels?.[label] === value),
        `${overlay}: ${command}`,
      )
    }
  }
})

/** The Jobs and the released images that are not of this version. */
const ofOtherVersions = (objects: readonly KubernetesObject[], version: string): string[] => {
  const inNames = new RegExp(`-${version.replaceAll('.', '-')}(-|$)`)
  const images = podsOf(objects).flatMap(({ spec }) => spec.containers.map(({ image }: any): string => image))
  return [
    ...ofKind(objects, 'Job')
      .filter(({ metadata }) => !inNames.test(metadata.name))
      .map(titleOf),
    ...new Set(images.filter((image) => image.startsWith('ghcr.io/') && !image.endsWith(`:${version}`))),
  ]
}

const titleOf = ({ kind, metadata }: KubernetesObject): string => `${kind} ${metadata.name}`

/** The module with the schema and the type of the object's kind. */
function moduleOf({ apiVersion, kind }: KubernetesObject): string {
  const [group = ''] = apiVersion.split('/')
  return `${customResources[group] ?? 'kubernetes-models'}/${apiVersion}/${kind}`
}

const customResources: Record<string, string> = {
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'keda.sh': '@kubernetes-models/keda',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
}
