import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { anyPorts, claimPorts, readPorts } from '../../src/stack/ports.ts'

const variables = [
  'GATEWAY_PORT',
  'COMMAND_API_PORT',
  'QUERY_API_PORT',
  'PROJECTOR_PORT',
  'OPERATOR_PORT',
  'MONGODB_PORT',
  'MONGODB_READ_PORT',
  'NATS_PORT',
  'SMTP_PORT',
  'MAIL_WEB_PORT',
]

t.test('every port has a default and a variable', async (t) => {
  t.match(readPorts({}), { gateway: 8080, mongodb: 27117, 'mongodb-read': 27118, nats: 4322, smtp: 1025 })
  const chosen = readPorts(Object.fromEntries(variables.map((name, index) => [name, String(9_000 + index)])))
  t.strictSame(Object.values(chosen).sort(), [9_000, 9_001, 9_002, 9_003, 9_004, 9_005, 9_006, 9_007, 9_008, 9_009])
})

t.test('one line names every invalid value', async (t) => {
  for (const value of ['abc', '-1', '65536', '80 80', '1e3', '0x50']) {
    const read = () => readPorts({ GATEWAY_PORT: value, NATS_PORT: value, SMTP_PORT: '25' })
    t.throws(read, { message: `GATEWAY_PORT=${value}, NATS_PORT=${value}` })
    t.throws(read, { message: /^[^\n]*$/ })
  }
})

t.test('one line names the parts that share a port', async (t) => {
  t.throws(() => readPorts({ GATEWAY_PORT: '1025' }), { message: '1025 (GATEWAY_PORT), 1025 (SMTP_PORT)' })
})

t.test('one line names every port in use, with its variable', async (t) => {
  const taken = await Promise.all([occupied(t), occupied(t)])
  const [gateway, nats] = taken
  const claim = claimPorts({ ...anyPorts, gateway, nats })
  await t.rejects(claim, { message: `${gateway} (GATEWAY_PORT), ${nats} (NATS_PORT)` })
  await t.resolves(claimPorts({ ...anyPorts, nats }, ['nats']), 'an unused part needs no port')
})

t.test('0 means any free port, a different one for each part', async (t) => {
  const ports = Object.values(await claimPorts(anyPorts))
  t.equal(new Set(ports).size, variables.length)
  t.ok(ports.every((port) => port > 1_024))
})

async function occupied(t: { teardown: (cleanUp: () => unknown) => unknown }): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}
