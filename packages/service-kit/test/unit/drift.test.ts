import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream'
import t from 'tap'
import { drift, stamped } from '../../src/index.ts'

const wanted = {
  durable_name: 'users_read_v1',
  filter_subjects: ['users.*.created', 'users.*.deleted'],
  deliver_policy: DeliverPolicy.All,
  ack_policy: AckPolicy.Explicit,
  max_deliver: -1,
}
/** As a server returns it. */
const found = {
  ...stamped(wanted),
  filter_subjects: wanted.filter_subjects.toReversed(),
  name: 'users_read_v1',
  num_replicas: 3,
}

t.test(
  'a consumer with the wanted settings has not drifted, whatever its replicas and other settings are',
  async (t) => {
    t.strictSame(drift(wanted, found), [])
    t.strictSame(
      drift({ ...wanted, num_replicas: 1 }, { ...found, metadata: { ...found.metadata, '_nats.ver': '2' } }),
      [],
    )
  },
)

t.test('each changed setting is named with its value', async (t) => {
  const changed = { ...found, max_deliver: 3, filter_subjects: ['users.*.created'], deliver_policy: DeliverPolicy.New }
  const changes = ['filter_subjects is ["users.*.created"]', 'deliver_policy is "new"', 'max_deliver is 3']
  t.strictSame(drift(wanted, changed), changes)
  const { metadata, ...unstamped } = changed
  t.strictSame(drift(wanted, unstamped), changes, 'also if a person has created it')
  const { max_deliver, ...without } = found
  t.strictSame(drift(wanted, without), ['max_deliver is undefined'])
})

t.test('what another release has written is not a change by an operator', async (t) => {
  const { metadata } = stamped({ ...wanted, max_deliver: 5 })
  t.strictSame(drift(wanted, { ...found, max_deliver: 5, metadata }), [])
})
