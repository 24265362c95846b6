/** Values of series by their names, in promtool's notation: `1+0x300` is 1 for 300 minutes, `0+60x300` a counter. */
type Series = Record<string, string>

/** Which alerts fire half an hour after these series replace those of a healthy system. */
type Case = { name: string; series: Series; fires: readonly string[]; afterMinutes?: number }

const always = (value: number) => `${value}+0x300`
/** A counter that starts after ten minutes. */
const rising = (perMinute: number) => `0+0x10 ${perMinute}+${perMinute}x290`
const absent = '_x300'

const jobs = ['command-api', 'projector', 'query-api']
const ofEach = (series: (job: string) => Series): Series => Object.assign({}, ...jobs.map(series))
const requests = (job: string, status: number) =>
  `http_server_request_duration_seconds_count{job="${job}",instance="1",http_route="/",http_response_status_code="${status}"}`
const lag = (consumer: string, series = 'count') =>
  `projector_lag_seconds_${series.replace(/^le=(.*)/, 'bucket')}{job="projector",instance="1",consumer="${consumer}"${
    series.startsWith('le=') ? `,le="${series.slice(3)}"` : ''
  }}`

/** Two requests and two events a second, all in time. */
const healthy: Series = {
  ...ofEach((job) => ({
    [`up{job="${job}",instance="1"}`]: always(1),
    [`nats_up{job="${job}",instance="1"}`]: always(1),
    [`health_check_up{job="${job}",instance="1",check="mongodb"}`]: always(1),
    [`db_client_connection_pending_requests{job="${job}",instance="1"}`]: '0 3 '.repeat(150),
  })),
  [requests('command-api', 201)]: '0+120x300',
  [requests('query-api', 200)]: '0+120x300',
  ...ofEach((job) => ({ [requests(job, 503)]: always(2) })),
  [lag('users_read_v1')]: '0+120x300',
  [lag('users_read_v1', 'le=1')]: '0+120x300',
  [lag('user_stats_v1')]: '0+120x300',
  [lag('user_stats_v1', 'le=1')]: '0+120x300',
  // A mail may take longer; it is no read model.
  [lag('welcome-email')]: '0+120x300',
  [lag('welcome-email', 'le=1')]: always(0),
  'outbox_oldest_pending_seconds{job="command-api",instance="1"}': always(2),
  'outbox_oldest_pending_seconds{job="command-api",instance="2"}': 'NaN+0x300',
  'outbox_publish_failures_total{job="command-api",instance="1"}': always(3),
  'outbox_crowded_users{job="command-api",instance="1"}': always(0),
  'stream_bytes{job="command-api",instance="1",stream="USERS"}': always(5e8),
  'stream_max_bytes{job="command-api",instance="1",stream="USERS"}': always(1e9),
  'password_hash_refused_total{job="command-api",instance="1"}': always(2),
  'consumer_oldest_unhandled_seconds{job="command-api",instance="1",consumer="users_read_v1"}': always(1),
  'projector_newer_events_total{job="projector",instance="1",consumer="users_read_v1"}': always(40),
  'projector_dead_letters{job="projector",instance="1",consumer="users_read_v1"}': always(0),
  'projector_differences{job="projector",instance="1",read_model="users_read_v1",kind="missing"}': always(0),
  'projector_compared_timestamp_seconds{job="projector",instance="1",read_model="users_read_v1"}': '1+60x300',
  // It held the lease of the comparison before.
  'projector_compared_timestamp_seconds{job="projector",instance="2",read_model="users_read_v1"}': always(1),
  'projector_comparison_failures_total{job="projector",instance="1",read_model="users_read_v1"}': always(5),
  'projector_deletions_held{job="projector",instance="1",read_model="users_read_v1"}': always(0),
  'projector_foreign_write_side{job="projector",instance="1"}': always(0),
  'projector_foreign_write_side{job="projector",instance="2"}': always(0),
  'projector_waiting_mails{job="projector",instance="1"}': always(1),
  'welcome_emails_total{job="projector",instance="1",outcome="sent"}': '0+5x300',
}

const cases: readonly Case[] = [
  { name: 'all is well', series: {}, fires: [] },
  {
    name: 'no projector runs',
    series: {
      'up{job="projector",instance="1"}': absent,
      'consumer_oldest_unhandled_seconds{job="command-api",instance="1",consumer="users_read_v1"}': '0+60x300',
    },
    fires: ['ConsumerStuck', 'ServiceDown'],
  },
  {
    name: 'the only command-api does not respond',
    series: { 'up{job="command-api",instance="1"}': always(0) },
    fires: ['InstanceNotReady', 'ServiceDown'],
  },
  {
    name: 'one of two query-api does not respond',
    series: { 'up{job="query-api",instance="2"}': always(0) },
    fires: ['InstanceNotReady'],
  },
  {
    name: 'a check is down',
    series: { 'health_check_up{job="projector",instance="1",check="mail"}': always(0) },
    fires: ['InstanceNotReady'],
  },
  {
    name: 'another application’s check is down',
    series: { 'health_check_up{job="another",instance="1",check="mail"}': always(0), 'up{job="another"}': always(0) },
    fires: [],
  },
  {
    name: 'NATS is unavailable',
    series: { 'nats_up{job="query-api",instance="1"}': always(0) },
    fires: ['NatsUnavailable'],
  },
  {
    name: 'operations wait for connections',
    series: { 'db_client_connection_pending_requests{job="query-api",instance="1"}': always(4) },
    fires: ['MongoPoolExhausted'],
  },
  {
    name: 'events wait in the outbox',
    series: { 'outbox_oldest_pending_seconds{job="command-api",instance="1"}': '0+60x300' },
    fires: ['OutboxNotDraining'],
  },
  {
    name: 'JetStream refuses events',
    series: { 'outbox_publish_failures_total{job="command-api",instance="1"}': rising(5) },
    fires: ['JetStreamRefuses'],
  },
  {
    name: 'the stream is nearly full',
    series: { 'stream_bytes{job="command-api",instance="1",stream="USERS"}': always(8.5e8) },
    fires: ['StreamNearlyFull'],
  },
  {
    name: 'the outbox of a user is nearly full',
    series: { 'outbox_crowded_users{job="command-api",instance="1"}': always(1) },
    fires: ['UserOutboxNearlyFull'],
  },
  {
    name: 'the queue of hashes refuses',
    series: { 'password_hash_refused_total{job="command-api",instance="1"}': rising(5) },
    fires: ['PasswordHashesRefused'],
  },
  {
    name: 'a consumer is stuck',
    series: {
      'consumer_oldest_unhandled_seconds{job="command-api",instance="1",consumer="user_stats_v1"}': '0+60x300',
    },
    fires: ['ConsumerStuck'],
  },
  {
    name: 'events of a newer schema wait',
    series: { 'projector_newer_events_total{job="projector",instance="1",consumer="users_read_v1"}': rising(1) },
    fires: ['NewerEventsWait'],
  },
  {
    name: 'a dead letter lies there',
    series: { 'projector_dead_letters{job="projector",instance="1",consumer="users_read_v1"}': always(1) },
    fires: ['DeadLetters'],
  },
  {
    name: 'a difference that repairs do not end',
    series: {
      'projector_differences{job="projector",instance="1",read_model="users_read_v1",kind="missing"}': always(1),
    },
    fires: ['ReadModelDiffers'],
  },
  {
    name: 'a difference that is repaired',
    series: {
      'projector_differences{job="projector",instance="1",read_model="users_read_v1",kind="missing"}': '1+0x6 0+0x300',
    },
    fires: [],
    afterMinutes: 5,
  },
  {
    name: 'no comparison since the start',
    series: {
      'projector_compared_timestamp_seconds{job="projector",instance="1",read_model="users_read_v1"}': absent,
      'projector_compared_timestamp_seconds{job="projector",instance="2",read_model="users_read_v1"}': absent,
    },
    fires: ['ReadModelNotCompared'],
  },
  {
    name: 'the last comparison is long ago',
    series: {
      'projector_compared_timestamp_seconds{job="projector",instance="1",read_model="users_read_v1"}': always(60),
    },
    fires: ['ReadModelNotCompared'],
    afterMinutes: 60,
  },
  {
    name: 'every comparison of one read model fails',
    series: {
      'projector_comparison_failures_total{job="projector",instance="1",read_model="user_stats_v1"}': '0+1x300',
    },
    fires: ['ReadModelNotCompared'],
  },
  {
    name: 'deletions are held',
    series: { 'projector_deletions_held{job="projector",instance="1",read_model="users_read_v1"}': always(37) },
    fires: ['DeletionsHeld'],
  },
  {
    name: 'a foreign write side',
    series: { 'projector_foreign_write_side{job="projector",instance="1"}': always(1) },
    fires: ['ForeignWriteSide'],
  },
  {
    name: 'mails wait, and none is sent',
    series: { 'welcome_emails_total{job="projector",instance="1",outcome="sent"}': always(300) },
    fires: ['MailsNotDelivered'],
  },
  {
    name: 'nobody registers, and no mail waits',
    series: {
      'welcome_emails_total{job="projector",instance="1",outcome="sent"}': always(300),
      'projector_waiting_mails{job="projector",instance="1"}': always(0),
    },
    fires: [],
  },
  {
    name: 'a tenth of the commands fail',
    series: { [requests('command-api', 503)]: rising(12) },
    fires: ['ErrorBudgetBurnsFast'],
  },
  {
    name: 'a tenth of the queries fail',
    series: { [requests('query-api', 500)]: rising(12) },
    fires: ['ErrorBudgetBurnsFast'],
  },
  {
    name: 'a tenth of the events are late',
    series: { [lag('users_read_v1', 'le=1')]: '0+108x300' },
    fires: ['ErrorBudgetBurnsFast'],
  },
  {
    name: 'a tenth of the events are late, told by Prometheus 3',
    series: {
      [lag('users_read_v1', 'le=1')]: absent,
      [lag('users_read_v1', 'le=1.0')]: '0+108x300',
      [lag('user_stats_v1', 'le=1')]: absent,
      [lag('user_stats_v1', 'le=1.0')]: '0+120x300',
    },
    fires: ['ErrorBudgetBurnsFast'],
  },
  {
    name: 'one command of two hundred fails, for hours',
    series: { [requests('command-api', 500)]: '0+0.6x300' },
    fires: ['ErrorBudgetBurnsSlowly'],
    afterMinutes: 120,
  },
  {
    name: 'clients send what is refused',
    series: { [requests('command-api', 400)]: '0+500x300' },
    fires: [],
  },
  {
    name: 'the only query of an hour fails',
    series: { [requests('query-api', 200)]: absent, [requests('query-api', 500)]: '0+0x10 1+0x290' },
    fires: [],
    afterMinutes: 15,
  },
  {
    name: 'a minute of failures that is over',
    series: { [requests('query-api', 500)]: '0+0x10 300+0x290' },
    fires: [],
    afterMinutes: 60,
  },
  {
    name: 'failures that began five minutes ago',
    series: { [requests('query-api', 500)]: '0+0x55 2.4+2.4x240' },
    fires: [],
    afterMinutes: 60,
  },
]

/** The alerts for which some case exists. */
export const casesFor = new Set(cases.flatMap(({ fires }) => fires))

/** A file for `promtool test rules`. In each case exactly the alerts that it names have to fire. */
export const promtoolTests = (rules: string) => ({
  rule_files: [rules],
  evaluation_interval: '5m',
  tests: cases.map(({ name, series, fires, afterMinutes = 30 }) => ({
    name,
    interval: '1m',
    input_series: Object.entries({ ...healthy, ...series }).map(([of, values]) => ({ series: of, values })),
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: `${afterMinutes}m`,
        exp_samples: fires.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
      },
    ],
  })),
})
