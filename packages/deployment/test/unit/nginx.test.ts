import { readFileSync } from 'node:fs'
import { problem } from '@cqrs/contracts'
import { referencePolicy, routingCases, unusualPaths } from '@cqrs/local-stack/testing'
import t from 'tap'

const conf = readFileSync(new URL('../../../../deploy/nginx/nginx.conf', import.meta.url), 'utf8')

t.test('requests are routed as by the local gateway', async (t) => {
  for (const [method, path, upstream] of routingCases)
    t.equal(serviceFor(method, path, path), upstream, `${method} ${path}`)
})

// nginx derives `$uri` from the received path: without dots, empty segments and needless encoding.
t.test('a path is routed by the form in which the service reads it', async (t) => {
  for (const [path, normal, upstream] of unusualPaths) {
    t.equal(serviceFor('GET', path, normal), upstream, path)
    t.equal(serviceFor('GET', `${path}?q=a%2fb`, normal), upstream, `${path} with an encoded slash in its query`)
  }
})

t.test('the gateway’s own answers are problems of the contracts', async (t) => {
  const answers = [...conf.matchAll(/return (\d+) '(\{"type".*\})';/g)]
  t.equal(answers.length, 6)
  for (const [, status, body = ''] of answers) {
    const said = JSON.parse(body)
    t.strictSame(said, problem(said.code))
    t.equal(Number(status), said.status)
  }
})

t.test('status line and body have the same status', async (t) => {
  const pages = [...conf.matchAll(/error_page [\d ]+=(\d+) (\S+);/g)]
  t.equal(pages.length, conf.match(/error_page/g)?.length)
  for (const [, status, target = ''] of pages)
    t.match(conf, new RegExp(`location (= )?${target} \\{[^}]*return ${status} `), target)
})

t.test('the API reference is served as by the local gateway', async (t) => {
  t.match(conf, `Content-Security-Policy "${referencePolicy}"`)
  t.match(conf, 'location = /docs {\n      rewrite ^ /docs/index.html last;')
  t.match(conf, 'absolute_redirect off;', 'the port of the address is not that of the container')
  t.match(conf, 'if ($reference) {\n      return 302 $reference;')
  const leadsTo = (method: string, uri: string) => variablesOf(method, uri, '/').reference
  for (const uri of ['/', '/?x=1']) t.equal(leadsTo('GET', uri), '/docs', uri)
  t.equal(leadsTo('HEAD', '/'), '/docs')
  for (const [method, uri] of [
    ['POST', '/'],
    ['GET', '//'],
    ['GET', '/x'],
  ] as const)
    t.equal(leadsTo(method, uri), '', `${method} ${uri}`)
})

t.test('/readyz and /metrics are not public', async (t) => {
  for (const path of ['/readyz', '/metrics']) t.match(conf, `location = ${path} {\n      return 404;`)
})

t.test('a POST is never sent twice, and a client cannot forge its address', async (t) => {
  t.notMatch(conf, 'non_idempotent')
  t.match(conf, 'proxy_set_header X-Forwarded-For $remote_addr;')
  t.match(conf, 'proxy_set_header Forwarded "";')
})

function serviceFor(method: string, requestUri: string, uri: string): string | undefined {
  return variablesOf(method, requestUri, uri).service?.replace(/:\d+$/, '')
}

/** What the `map`s give: https://nginx.org/en/docs/http/ngx_http_map_module.html */
function variablesOf(method: string, requestUri: string, uri: string): Record<string, string> {
  const variables: Record<string, string> = { request_method: method, request_uri: requestUri, uri }
  for (const [, of = '', name = '', entries = ''] of conf.matchAll(
    /^ {2}map (\S+|"[^"]*") \$(\w+) \{\n(.*?)^ {2}\}/gms,
  ))
    variables[name] = evaluate(entries, expanded(of, variables), variables)
  return variables
}

function evaluate(entries: string, value: string, variables: Record<string, string>): string {
  let fallback = ''
  for (const [, key = '', result = ''] of entries.matchAll(/^ +("[^"]*"|\S+) +(\S+);$/gm)) {
    const pattern = key.replaceAll('"', '')
    if (pattern === 'default') fallback = result
    else if (!pattern.startsWith('~')) {
      if (pattern === value) return expanded(result, variables)
    } else {
      const [, flag, source = ''] = /^~(\*?)(.*)$/.exec(pattern) ?? []
      const match = new RegExp(source, flag ? 'i' : '').exec(value)
      if (match) return expanded(result, { ...variables, ...match.groups })
    }
  }
  return expanded(fallback, variables)
}

function expanded(text: string, variables: Record<string, string>): string {
  return text.replaceAll('"', '').replace(/\$(\w+)/g, (_, name) => variables[name] ?? '')
}
