import { freshDatabase, freshMail, freshNats } from '@cqrs/local-stack/testing'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { MongoClient } from 'mongodb'
import { createTransport } from 'nodemailer'
import t from 'tap'

t.test('a fresh database is empty, usable, and dropped at the end of its test', async (t) => {
  const names: string[] = []
  await t.test('uses two', async (t) => {
    const [one, other] = [await freshDatabase(t), await freshDatabase(t)]
    t.not(one.name, other.name)
    await one.db.collection('things').insertOne({ value: 1 })
    t.equal(await other.db.collection('things').countDocuments(), 0)
    names.push(one.name, other.name)
    const throughUri = await new MongoClient(one.uri).connect()
    t.equal(await throughUri.db().collection('things').countDocuments(), 1)
    await throughUri.close()
  })
  const { client } = await freshDatabase(t)
  const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true })
  t.notOk(databases.some(({ name }) => names.includes(name)))
})

t.test('without a server freshDatabase says how to run the tests', async (t) => {
  const uri = process.env.TEST_MONGODB_URI
  delete process.env.TEST_MONGODB_URI
  t.teardown(() => Object.assign(process.env, { TEST_MONGODB_URI: uri }))
  await t.rejects(freshDatabase(t), { message: /npm test/ })
})

t.test('a killed NATS server restarts on the same port with every acknowledged message', async (t) => {
  const { server, url } = await freshNats(t)
  const before = await connect({ servers: url })
  await (await jetstreamManager(before)).streams.add({ name: 'USERS', subjects: ['users.>'] })
  await jetstream(before).publish('users.1.created', 'one')
  const lastPid = server.pid
  await server.kill()
  await before.close()
  await server.start()
  t.not(server.pid, lastPid)
  const after = await connect({ servers: url })
  const { state } = await (await jetstreamManager(after)).streams.info('USERS')
  t.equal(state.messages, 1)
  await after.close()
})

t.test('a fresh mail server keeps what it receives, and can refuse e-mails and be unavailable', async (t) => {
  const mail = await freshMail(t)
  const transport = createTransport(mail.url)
  const message = { from: 'a@example.com', to: 'b@example.com', subject: 'Welcome', text: 'Héllo' }
  mail.refuse(451)
  await t.rejects(transport.sendMail(message), { message: /451 refused/ })
  mail.accept()
  await mail.stop()
  await t.rejects(transport.sendMail(message), { code: 'ESOCKET' })
  await mail.start()
  mail.dieInDelivery()
  await t.rejects(transport.sendMail(message), /closed|hang up|ECONN/i)
  mail.hang()
  const patient = createTransport({ url: mail.url, socketTimeout: 200 })
  await t.rejects(patient.sendMail(message), { code: 'ETIMEDOUT' })
  mail.accept()
  await transport.sendMail(message)
  t.match(mail.mails, [{ subject: 'Welcome', text: /Héllo/, envelopeTo: ['b@example.com'] }])
  t.equal(mail.mails.length, 1)
})
