import { readFileSync } from 'node:fs'
import t from 'tap'
import { startSystem } from './system.ts'

// docs/api.http as an editor sends it: from top to bottom, with the values of earlier answers.
const admin = { ADMIN_EMAIL: 'root@example.com', ADMIN_PASSWORD: 'correct horse battery' }
const { baseUrl } = await startSystem(t, { 'command-api': admin })
const given = { host: baseUrl, adminEmail: admin.ADMIN_EMAIL, adminPassword: admin.ADMIN_PASSWORD }
const file = readFileSync(new URL('../../../docs/api.http', import.meta.url), 'utf8')

for (const time of ['once', 'and again']) {
  t.test(`every request of docs/api.http succeeds, sent ${time}`, async (t) => {
    const variables = new Map<string, string>()
    const answers = new Map<string, { headers: Headers; body: unknown }>()
    const resolve = (text: string): string =>
      text.replaceAll(/\{\{(.+?)\}\}/g, (_, name: string) => {
        const [request = '', , part, ...path] = name.split('.')
        const answer = answers.get(request)
        const value = !name.includes('.')
          ? resolve(variables.get(name) ?? '')
          : part === 'headers'
            ? answer?.headers.get(path.join('.'))
            : path.reduce((inner: any, key) => inner?.[key], answer?.body)
        if (!value) throw new Error(`nothing gives {{${name}}}`)
        return String(value)
      })
    let sent = 0
    for (const block of file.split(/^###.*\n/m)) {
      for (const [, name = '', value = ''] of block.matchAll(/^@(\w+) = (.*)$/gm))
        variables.set(name, given[name as keyof typeof given] ?? value)
      const [, method, url = '', head = '', body = ''] =
        /^([A-Z]+) (\S+)\n((?:[\w-]+: [^\n]*\n)*)(?:\n(\{.*\}))?/ms.exec(block) ?? []
      if (!method) continue
      const response = await fetch(resolve(url), {
        method,
        headers: [...head.matchAll(/^(\S+): (.*)$/gm)].map(([, name = '', value = '']): [string, string] => [
          name,
          resolve(value),
        ]),
        ...(body && { body: resolve(body) }),
      })
      const text = await response.text()
      t.ok(response.ok, `${method} ${url}: ${response.status} ${response.ok ? '' : text}`)
      const [, name] = /^# @name (\w+)$/m.exec(block) ?? []
      if (name) answers.set(name, { headers: response.headers, body: JSON.parse(text) })
      sent++
    }
    t.equal(sent, file.match(/^# Answered by/gm)?.length)
  })
}
