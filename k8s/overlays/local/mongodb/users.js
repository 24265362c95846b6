// For mongosh. On the first run the server is a standalone with only its root user.
const { HOST, ROOT_PASSWORD, USERS } = process.env
const admin = connect(`mongodb://root:${ROOT_PASSWORD}@${HOST}/admin?directConnection=true`)

try {
  admin.adminCommand({ replSetInitiate: { _id: 'rs0', members: [{ _id: 0, host: HOST }] } })
} catch (error) {
  if (error.codeName !== 'AlreadyInitialized') throw error
}
while (!admin.hello().isWritablePrimary) sleep(200)

for (const { user, pwd, roles } of JSON.parse(USERS)) {
  if (admin.getUser(user)) admin.updateUser(user, { pwd, roles })
  else admin.createUser({ user, pwd, roles })
  print(`${user}: ${JSON.stringify(roles)}`)
}
