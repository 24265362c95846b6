// For mongosh. On the first run the server is a standalone with only its root user. OTHERS are empty servers that join
// its replica set.
const { HOST, OTHERS, ROOT_PASSWORD, USERS } = process.env
const root = `mongodb://root:${ROOT_PASSWORD}@`
const first = connect(`${root}${HOST}/admin?directConnection=true`)

try {
  first.adminCommand({ replSetInitiate: { _id: 'rs0', members: [{ _id: 0, host: HOST }] } })
} catch (error) {
  if (error.codeName !== 'AlreadyInitialized') throw error
}
while (!first.hello().primary) sleep(200)
// After an election the primary may be another member.
const admin = connect(`${root}${HOST}/admin?replicaSet=rs0`)

for (const host of OTHERS ? OTHERS.split(',') : []) {
  const { config } = admin.adminCommand({ replSetGetConfig: 1 })
  if (config.members.some((member) => member.host === host)) continue
  config.members.push({ _id: config.members.length, host })
  config.version++
  admin.adminCommand({ replSetReconfig: config })
  const hasJoined = () =>
    admin
      .adminCommand({ replSetGetStatus: 1 })
      .members.some(({ name, stateStr }) => name === host && stateStr === 'SECONDARY')
  while (!hasJoined()) sleep(200)
  print(`${host}: joined`)
}

for (const { user, pwd, roles } of JSON.parse(USERS)) {
  if (admin.getUser(user)) admin.updateUser(user, { pwd, roles })
  else admin.createUser({ user, pwd, roles })
  print(`${user}: ${JSON.stringify(roles)}`)
}
