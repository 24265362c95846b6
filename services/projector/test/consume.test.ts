import { type AppliedNotice, usersReadIndexes } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { projections } from '../src/projections/index.ts'
import { startSystem } from './fixtures/system.ts'
import { created, deleted, updated, userId } from './fixtures/user-events.ts'

const { broker, database, mail, projector, visible } = await startSystem(t)
const byReadModel = (one: object, other: object) => readModelOf(one).localeCompare(readModelOf(other))
const readModelOf = (line: object): string => ('read_model' in line ? String(line.read_model) : '')
const logsOf = (n: number) => projector.logs.filter((line) => line['user_id'] === userId(n))

t.test('a registration becomes visible, and the log shows each step', async (t) => {
  const event = {
    ...created(1, { email: 'jane.doe@example.com', name: 'Jane', roles: ['buyer'] }),
    requestid: 'request-1',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  }
  const about = {
    level: 'info',
    event_id: event.id,
    type: 'UserCreated',
    version: 1,
    request_id: 'request-1',
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  }
  await broker.publish(event)
  t.match(await visible(1, 1), { name: 'Jane', email: 'jane.doe@example.com', isBuyer: true })
  await eventually(() => mail.mails.length === 1)
  await eventually(() => logsOf(1).length === projections.length + 2)
  // The mail and each read model have a consumer of their own, so their order is open.
  const of = (text: string) => logsOf(1).filter(({ msg }) => msg === text)
  t.match(of('UserCreated event received'), [{ ...about, email: 'j***@example.com' }])
  const updated = of('Read model updated successfully').sort(byReadModel)
  t.match(updated, projections.map(({ name }) => ({ ...about, read_model: name })).sort(byReadModel))
  t.match(of('Sending welcome email to user...'), [about])
})

t.test('an update and a deletion become visible', async (t) => {
  await broker.publish(created(2))
  await broker.publish(updated(2, 2, { name: 'Renamed', roles: ['buyer', 'seller'] }))
  t.match(await visible(2, 2), { name: 'Renamed', roleCount: 2, isSeller: true })
  await broker.publish(deleted(2, 3))
  t.strictSame(Object.keys(await visible(2, 3)), ['_id', 'version', 'deletedAt', 'expiresAt', 'revokedAt'])
  const messages = logsOf(2).map(({ msg }) => msg)
  t.ok(messages.includes('UserUpdated event received'))
  t.ok(messages.includes('UserDeleted event received'))
})

t.test('a notice says which users are visible at which version', async (t) => {
  const applied: AppliedNotice['applied'] = []
  broker.nats.subscribe('users_read_v1.applied', {
    callback: (_error, message) => {
      applied.push(...message.json<AppliedNotice>().applied)
    },
  })
  await broker.nats.flush()
  await broker.publish(created(3), updated(4, 7))
  const versionOf = (n: number) => applied.find(([id]) => id === userId(n))?.[1]
  await eventually(() => versionOf(3) !== undefined && versionOf(4) !== undefined)
  t.strictSame([versionOf(3), versionOf(4)], [1, 7])
})

t.test('the indexes that query-api needs exist', async (t) => {
  const indexes = await database.db.collection('users_read_v1').indexes()
  t.strictSame(indexes.map(({ name }) => name).sort(), ['_id_', ...usersReadIndexes.map(({ name }) => name)].sort())
})

t.test('no name and no whole address is logged', async (t) => {
  t.notMatch(JSON.stringify(projector.logs), /Jane|jane\.doe|Renamed|user-\d@/)
})
