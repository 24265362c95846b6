import { eventually, freshDatabase } from '@cqrs/local-stack/testing'
import t from 'tap'
import { moodyMail } from './fixtures/moody-mail.ts'
import { startSystem } from './fixtures/system.ts'
import { created } from './fixtures/user-events.ts'

t.test('without its rights at MongoDB the projector is not ready, until it has them again', async (t) => {
  const database = await freshDatabase(t)
  const { db, name } = database
  const role = { role: 'readWrite', db: name }
  await db.command({ createUser: 'projector', pwd: 'projector', roles: [role] })
  t.teardown(() => db.command({ dropUser: 'projector' }))
  const uri = new URL(database.uri)
  uri.username = uri.password = 'projector'
  uri.searchParams.set('authSource', name)
  const { projector } = await startSystem(t, { MONGODB_READ_URI: uri.href }, database)
  const status = async () => (await projector.get('/readyz')).body.status
  await eventually(async () => (await status()) === 'ready')

  await db.command({ updateUser: 'projector', roles: [{ role: 'read', db: name }] })
  await eventually(async () => (await status()) === 'unready')
  const reasons = ['MongoDB does not accept writes: Unauthorized']
  t.match(await projector.get('/readyz'), { body: { checks: { mongodb: 'down', nats: 'up', mail: 'up' }, reasons } })
  await db.command({ updateUser: 'projector', roles: [role] })
  await eventually(async () => (await status()) === 'ready')
})

t.test('a mail server that refuses the sender is down; NATS is not the mail server', async (t) => {
  const mail = await moodyMail(t)
  const { broker, nats, projector } = await startSystem(t, { SMTP_URL: mail.url })
  const checks = async () => (await projector.get('/readyz')).body.checks
  await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')

  mail.become('MAIL', 550)
  await broker.publish(created(1))
  await eventually(async () => (await checks()).mail === 'down')
  t.match(await projector.get('/readyz'), { status: 200, body: { status: 'degraded', checks: { events: 'up' } } })
  mail.become('MAIL', 250)
  await eventually(async () => (await checks()).mail === 'up')

  await nats.server.kill()
  await eventually(async () => (await checks()).nats === 'down')
  t.match(await checks(), { mail: 'up', mongodb: 'up' })
})
