import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freshDirectory } from '@cqrs/local-stack/testing'
import t from 'tap'
import { UserClient } from '../../src/index.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const execFileAsync = promisify(execFile)
const codeOf = (readme: string) => [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = '']) => code)

t.test('the client has a method for every operation', async (t) => {
  const description = readFileSync(new URL('../../../../docs/openapi/api.json', import.meta.url), 'utf8')
  const operations = [...description.matchAll(/"operationId": "(\w+)"/g)].map(([, name]) => name)
  // `listUsers` takes a role. Keys are for those who verify tokens, with a library that gets them by itself.
  const others = ['listUsersByRole', 'publicKeys']
  t.strictSame(
    operations.filter((name) => !((name as string) in UserClient.prototype)),
    others.toSorted((one, other) => operations.indexOf(one) - operations.indexOf(other)),
  )
})

t.test('the code of the README compiles in a project that has only the package', async (t) => {
  const directory = await freshDirectory(t)
  await mkdir(join(directory, 'node_modules/@cqrs'), { recursive: true })
  await symlink(root, join(directory, 'node_modules/@cqrs/client'))
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
  const files = codeOf(readFileSync(join(root, 'README.md'), 'utf8')).map((code, i) => ({ name: `${i}.ts`, code }))
  t.equal(files.length, 2)
  for (const { name, code } of files) await writeFile(join(directory, name), code)
  const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2022']
  // tap gives every child its loaders, with which the compiler does not start.
  const command = ['NODE_OPTIONS=', 'tsc', ...options, '--types', '', ...files.map(({ name }) => name)]
  const tsc = execFileAsync('env', command, { cwd: directory })
  const errors = await tsc.then(
    () => '',
    (error) => error.stdout || error.message,
  )
  t.equal(errors, '')
})

t.test('what would be published is what is built, with its source and README', async (t) => {
  const { stdout } = await execFileAsync('npm', ['pack', '--dry-run', '--json'], { cwd: root })
  const files: string[] = JSON.parse(stdout)[0].files.map(({ path }: { path: string }) => path)
  for (const name of ['README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'src/index.ts'])
    t.ok(files.includes(name), name)
  t.strictSame(
    files.filter((name) => !/^(README\.md|package\.json|dist\/[\w-]+\.(js|js\.map|d\.ts)|src\/[\w-]+\.ts)$/.test(name)),
    [],
  )
})
