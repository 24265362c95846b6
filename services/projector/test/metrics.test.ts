import { eventually, valueIn } from '@cqrs/local-stack/testing'
import t from 'tap'
import { projections } from '../src/projections/index.ts'
import { moodyMail } from './fixtures/moody-mail.ts'
import { startSystem } from './fixtures/system.ts'
import { created, updated, userId } from './fixtures/user-events.ts'

const mail = await moodyMail(t, {
  'user-2@example.com': { RCPT: 550 },
  'user-3@example.com': { RCPT: 451 },
})
const { broker, cli, nats, projector, ...system } = await startSystem(t, { SMTP_URL: mail.url })
const { metric, metrics } = projector
const is = (series: string, value: number) => eventually(async () => (await metric(series)) === value)
const shapes = projections.map(({ name }) => name)
const letters = (consumer: string) => `projector_dead_letters{consumer="${consumer}"}`
const mails = (outcome: string) => `welcome_emails_total{outcome="${outcome}"}`

t.test('what can be counted is there from the start, as 0', async (t) => {
  for (const check of ['mongodb', 'nats', 'read model', 'mail']) await is(`health_check_up{check="${check}"}`, 1)
  await is(letters('welcome-email'), 0)
  const text = await metrics()
  const equal = (series: string, value: number) => t.equal(valueIn(text, series), value, series)
  equal('nats_up', 1)
  for (const consumer of [...shapes, 'welcome-email']) {
    for (const name of [
      'dead_letters',
      'lag_messages',
      'newer_events_total',
      'batch_events_count',
      'lag_seconds_count',
    ])
      equal(`projector_${name}{consumer="${consumer}"}`, 0)
    equal(`projector_dead_letters_total{consumer="${consumer}",reason="not-json"}`, 0)
  }
  for (const outcome of ['sent', 'deferred', 'refused', 'unknown']) equal(mails(outcome), 0)
  for (const shape of shapes) {
    equal(`projector_comparison_failures_total{read_model="${shape}"}`, 0)
    equal(`projector_rebuild_progress_ratio{read_model="${shape}"}`, 1)
  }
  equal('projector_live_shape{read_model="users_read"}', 1)
  equal('projector_live_shape{read_model="user_directory"}', 2)
  equal('projector_waiting_mails', 0)
  t.match(text, /^build_info\{service="projector",version="\d+\.\d+\.\d+"\} 1$/m)
})

t.test('welcome e-mails by outcome', async () => {
  await broker.publish(created(1), created(2), created(3))
  for (const outcome of ['sent', 'refused']) await is(mails(outcome), 1)
  await eventually(async () => Number(await metric(mails('deferred'))) >= 1)
  await is('projector_waiting_mails', 1)
  await is(letters('welcome-email'), 1)
})

t.test('dead letters, until an operator drops them', async (t) => {
  for (const n of [1, 2]) await broker.publishBytes(`users.${userId(n)}.updated`, 'not JSON')
  for (const shape of shapes) {
    await is(letters(shape), 2)
    t.equal(await metric(`projector_dead_letters_total{consumer="${shape}",reason="not-json"}`), 2)
  }
  t.equal((await cli('dlq', 'drop', 'all')).code, 0)
  for (const consumer of [...shapes, 'welcome-email']) t.equal(await metric(letters(consumer)), 0, consumer)
})

t.test('the progress of a rebuild', async (t) => {
  const writeSide = system.writeSide()
  writeSide.record(...Array.from({ length: 1_000 }, (_, n) => updated(n, 2)))
  const second = Promise.withResolvers<void>()
  writeSide.steps.before = async (subject, request) => {
    if (subject.endsWith('.page') && request.after === userId(499)) await second.promise
  }
  const rebuilding = cli('rebuild', 'users_read_v1')
  await is('projector_rebuild_progress_ratio{read_model="users_read_v1"}', 0.5)
  second.resolve()
  t.equal((await rebuilding).code, 0)
  t.equal(await metric('projector_rebuild_progress_ratio{read_model="users_read_v1"}'), 1)
})

t.test('while NATS is stopped, what it knows has no value', async (t) => {
  await nats.server.stop()
  await is('nats_up', 0)
  t.equal(await metric('health_check_up{check="nats"}'), 0)
  for (const series of [letters('users_read_v1'), 'projector_lag_messages{consumer="users_read_v1"}'])
    t.ok(Number.isNaN(await metric(series)), series)
  await nats.server.start()
  await is('nats_up', 1)
  await is(letters('users_read_v1'), 0)
})
