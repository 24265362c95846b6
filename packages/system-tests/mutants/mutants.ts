/** A change that breaks the product, and the tests that must notice it. */
export type Mutant = {
  file: string
  /** What the change breaks, as a user or an operator would say it. */
  what: string
  /** Text that occurs once in the file. */
  find: string
  replace: string
  /** Test files from the repository's root, the most likely to fail first. */
  tests: string[]
}

/** The source with the mutant's change. @throws Error if the text to find does not occur exactly once */
export function mutate(source: string, { file, what, find, replace }: Mutant): string {
  if (source.split(find).length !== 2) throw new Error(`${file}: the text of "${what}" does not occur exactly once`)
  return source.replace(find, () => replace)
}

const commandApi = 'services/command-api'
const projector = 'services/projector'
const queryApi = 'services/query-api'
const contracts = 'packages/contracts'

export const mutants: readonly Mutant[] = [
  // Domain
  {
    file: `${commandApi}/src/domain/permissions.ts`,
    what: 'every user may change every other user',
    find: 'self(id, caller) || admin(id, caller)',
    replace: 'self(id, caller) || caller.id.length > 0',
    tests: [`${commandApi}/test/unit/permissions.test.ts`, `${commandApi}/test/update-and-delete.test.ts`],
  },
  {
    file: `${commandApi}/src/domain/permissions.ts`,
    what: 'an admin may grant itself the role',
    find: ' && caller.id !== id\n',
    replace: '\n',
    tests: [`${commandApi}/test/unit/permissions.test.ts`, `${commandApi}/test/unit/user.test.ts`],
  },
  {
    file: `${commandApi}/src/domain/user.ts`,
    what: 'an update without a change still makes a version',
    find: '  if (changed.length === 0) return undefined\n',
    replace: '',
    tests: [`${commandApi}/test/unit/user.test.ts`],
  },
  {
    file: `${commandApi}/src/domain/user.ts`,
    what: 'the event of a deletion has the version of the user before it',
    find: 'version: user.version + 1, deletedAt',
    replace: 'version: user.version, deletedAt',
    tests: [`${commandApi}/test/unit/user.test.ts`],
  },
  {
    file: `${commandApi}/src/domain/user.ts`,
    what: 'events carry the password hash',
    find: 'const shown = (user: User) => ({ user: publicState(user), ...tokenState(user) })',
    replace: 'const shown = (user: User) => ({ user: { ...user, ...publicState(user) }, ...tokenState(user) })',
    tests: [`${commandApi}/test/unit/user.test.ts`, `${commandApi}/test/register.test.ts`],
  },
  {
    file: `${commandApi}/src/domain/user.ts`,
    what: 'repair says nothing about a user who is one version behind',
    find: 'snapshot.version > readVersion',
    replace: 'snapshot.version > readVersion + 1',
    tests: [`${commandApi}/test/unit/user.test.ts`, `${commandApi}/test/sync.test.ts`],
  },
  {
    file: `${commandApi}/src/domain/access.ts`,
    what: 'a password change leaves the tokens of the old password valid',
    find: 'tokensFromVersion: user.version + 1',
    replace: 'tokensFromVersion: user.tokensFromVersion',
    tests: [`${commandApi}/test/unit/access.test.ts`],
  },
  {
    file: `${commandApi}/src/domain/login-back-off.ts`,
    what: 'failures from elsewhere lock out a known source',
    find: ' && !isAfter(bySource?.knownUntil, now)',
    replace: '',
    tests: [`${commandApi}/test/unit/login-back-off.test.ts`, `${commandApi}/test/login-back-off.test.ts`],
  },
  {
    file: `${commandApi}/src/domain/login-back-off.ts`,
    what: 'failures from elsewhere lock out a known device',
    find: '!isKnownDevice && ',
    replace: '',
    tests: [`${commandApi}/test/unit/login-back-off.test.ts`, `${commandApi}/test/login-back-off.test.ts`],
  },
  {
    file: `${contracts}/src/user.ts`,
    what: 'addresses that differ in case only are two users',
    find: '.hostname}`).toLowerCase()',
    replace: '.hostname}`)',
    tests: [`${contracts}/test/unit/user.test.ts`, `${commandApi}/test/register.test.ts`],
  },
  // Contracts
  {
    file: `${contracts}/src/events.ts`,
    what: 'an invalid event is taken for a good one',
    find: 'if (!validator.Check(event)) {',
    replace: 'if (false as boolean) {',
    tests: [`${contracts}/test/unit/events.test.ts`],
  },
  {
    file: `${contracts}/src/events.ts`,
    what: 'an event of a newer schema is misread',
    find: 'schemaversion === SCHEMA_VERSION || schemaversion in upcasters',
    replace: 'schemaversion >= 1',
    tests: [`${contracts}/test/unit/events.test.ts`],
  },
  {
    file: `${contracts}/src/events.ts`,
    what: 'an event of the first schema stays as it is',
    find: '{ ...data, tokensFromVersion: 1 } : data',
    replace: 'data : data',
    tests: [`${contracts}/test/unit/events.test.ts`],
  },
  {
    file: `${contracts}/src/snapshots.ts`,
    what: 'a repair looks like a registration',
    find: "type: 'UserUpdated', data: { ...data, changed: [] } }",
    replace: "type: 'UserCreated', data }",
    tests: [`${contracts}/test/unit/snapshots.test.ts`],
  },
  {
    file: `${contracts}/src/routes.ts`,
    what: '405 does not list HEAD',
    find: "['GET', 'HEAD']",
    replace: "['GET']",
    tests: [`${contracts}/test/unit/routes.test.ts`],
  },
  // Projections and the read store
  {
    file: `${projector}/src/projections/users-read.ts`,
    what: 'every buyer is shown as a seller',
    find: "isSeller: roles.includes('seller')",
    replace: "isSeller: roles.includes('buyer')",
    tests: [`${projector}/test/unit/users-read.test.ts`],
  },
  {
    file: `${projector}/src/projections/tombstone.ts`,
    what: 'a tombstone expires at once, and a late event revives its user',
    find: 'deletedAt.getTime() + tombstoneLifetimeMs',
    replace: 'deletedAt.getTime()',
    tests: [`${projector}/test/unit/users-read.test.ts`, `${projector}/test/any-order.test.ts`],
  },
  {
    file: `${projector}/src/projections/latest-events.ts`,
    what: 'of several events in a batch the last one counts, not the newest',
    find: 'if (event.version > (latest.get(event.subject)?.version ?? 0)) latest',
    replace: 'latest',
    tests: [`${projector}/test/unit/latest-events.test.ts`, `${projector}/test/any-order.test.ts`],
  },
  {
    file: `${projector}/src/projections/user-stats.ts`,
    what: 'inactive users count as active',
    find: 'active: isActive ? 1 : 0',
    replace: 'active: isActive ? 1 : 1',
    tests: [`${projector}/test/user-stats.test.ts`],
  },
  {
    file: `${projector}/src/read-store/versioned-writes.ts`,
    what: 'an older version replaces a newer one',
    find: '{ $gt: [document.version,',
    replace: '{ $ne: [document.version,',
    tests: [`${projector}/test/read-model.test.ts`, `${projector}/test/any-order.test.ts`],
  },
  {
    file: `${projector}/src/read-store/read-model.ts`,
    what: 'a user who changes counts twice in the sums',
    find: '    if (before) add(before, -1)\n',
    replace: '',
    tests: [`${projector}/test/user-stats.test.ts`],
  },
  {
    file: `${projector}/src/read-store/read-model.ts`,
    what: 'a rebuild misses the events of its time',
    find: 'for (const name of written) {',
    replace: 'for (const name of written.slice(-1)) {',
    tests: [`${projector}/test/read-model.test.ts`, `${projector}/test/rebuild.test.ts`],
  },
  {
    file: `${projector}/src/read-store/update-read-model.ts`,
    what: 'the notice of a deletion revokes no token',
    find: ': version\n  return',
    replace: ': 1\n  return',
    tests: [`${projector}/test/each-event-type.test.ts`, `${projector}/test/consume.test.ts`],
  },
  // Outbox and relay
  {
    file: `${commandApi}/src/store/change-user.ts`,
    what: 'a concurrent change is an error instead of another attempt',
    find: 'number <= 5',
    replace: 'number <= 1',
    tests: [`${commandApi}/test/unit/change-user.test.ts`, `${commandApi}/test/update-and-delete.test.ts`],
  },
  {
    file: `${commandApi}/src/store/user-repository.ts`,
    what: 'the later of two concurrent changes overwrites the other',
    find: '{ _id: id, version: expectedVersion, ...(updated',
    replace: '{ _id: id, ...(updated',
    tests: [`${commandApi}/test/update-and-delete.test.ts`, `${commandApi}/test/conditional.test.ts`],
  },
  {
    file: `${commandApi}/src/store/user-repository.ts`,
    what: 'an event of a change is not written with it',
    find: '          outbox: appended(this.written(event)),\n',
    replace: '',
    tests: [`${commandApi}/test/relay.test.ts`, `${commandApi}/test/idempotency.test.ts`],
  },
  {
    file: `${commandApi}/src/store/outbox.ts`,
    what: 'a published event stays in the outbox',
    find: "{ $slice: ['$outbox', count, 2 ** 31 - 1] }",
    replace: "'$outbox'",
    tests: [`${commandApi}/test/relay.test.ts`],
  },
  {
    file: `${commandApi}/src/publishing/relay.ts`,
    what: 'an event without an acknowledgement leaves the outbox',
    find: '      this.#noteFailure(event, error)\n      return false',
    replace: '      this.#noteFailure(event, error)',
    tests: [`${commandApi}/test/erasure.test.ts`, `${commandApi}/test/relay.test.ts`],
  },
  {
    file: `${commandApi}/src/publishing/relay.ts`,
    what: 'an event that is published twice is stored twice',
    find: 'msgID: event.id, ',
    replace: '',
    tests: [`${commandApi}/test/relay.test.ts`],
  },
  {
    file: `${commandApi}/src/publishing/relay.ts`,
    what: 'each replica publishes the whole backlog',
    find: 'if (connection && (await this.#lease.acquire())) {',
    replace: 'if (connection) {',
    tests: [`${commandApi}/test/relay.test.ts`],
  },
  {
    file: `${commandApi}/src/publishing/relay.ts`,
    what: 'the events of a deleted user stay in the stream',
    find: '        await eraseHistory(connection, _id)\n',
    replace: '',
    tests: [`${commandApi}/test/erasure.test.ts`],
  },
  {
    file: `${commandApi}/src/publishing/erase-history.ts`,
    what: 'an erasure makes the stream forget events of other users',
    find: '    for (let event = await newest(subject)',
    replace:
      '    await streams.purge(usersStream.name, { filter: subject })\n    for (let event = await newest(subject)',
    tests: [`${commandApi}/test/erasure.test.ts`],
  },
  {
    file: `${commandApi}/src/publishing/relay.ts`,
    what: 'a stop abandons publishes in progress',
    find: '    await Promise.all(this.#inFlight.values())\n',
    replace: '',
    tests: [`${commandApi}/test/relay.test.ts`],
  },
  {
    file: `${commandApi}/src/publishing/relay.ts`,
    what: 'a stop keeps the lease, and no other replica sweeps until it expires',
    find: 'if (this.#sweeping) await this.#lease.release()',
    replace: 'if (this.#sweeping) await Promise.resolve()',
    tests: [`${commandApi}/test/relay.test.ts`],
  },
  // The consumer
  {
    file: `${projector}/src/consuming/settle.ts`,
    what: 'a message is acknowledged before it is handled',
    find: '    await handled\n    message.ack()',
    replace: '    message.ack()\n    await handled',
    tests: [`${projector}/test/unit/settle.test.ts`, `${projector}/test/database-unavailable.test.ts`],
  },
  {
    file: `${projector}/src/consuming/settle.ts`,
    what: 'a message is never acknowledged',
    find: '    message.ack()\n',
    replace: '',
    tests: [`${projector}/test/unit/settle.test.ts`, `${projector}/test/consume.test.ts`],
  },
  {
    file: `${projector}/src/consuming/settle.ts`,
    what: 'a dead letter is dropped without a copy',
    find: '    await addDeadLetter(nats, ',
    replace: '    void ((..._: unknown[]) => addDeadLetter)(nats, ',
    tests: [`${projector}/test/dead-letters.test.ts`],
  },
  {
    file: `${projector}/src/consuming/user-consumer.ts`,
    what: 'the server is not told that a message is in progress, and delivers it again',
    find: 'message.working()',
    replace: 'message.info',
    tests: [`${projector}/test/welcome-email-crash.test.ts`],
  },
  {
    file: `${projector}/src/consuming/user-consumer.ts`,
    what: 'a stop abandons the batch in progress',
    find: '    await this.#handling\n',
    replace: '',
    tests: [`${projector}/test/replicas.test.ts`, `${projector}/test/service.test.ts`],
  },
  {
    file: `${projector}/src/consuming/user-consumer.ts`,
    what: 'a consumer without a database fetches without bound',
    find: 'this.#inbox.held.size <= this.#subscriber.batchSize',
    replace: 'this.#inbox.held.size >= 0',
    tests: [`${projector}/test/service.test.ts`, `${projector}/test/database-unavailable.test.ts`],
  },
  // Caches, notices and revocation
  {
    file: `${queryApi}/src/by-id/user-cache.ts`,
    what: 'a cached user outlives the notice of a newer version',
    find: '    if ((this.#entries.peek(id)?.version ?? version) < version) this.#entries.delete(id)\n',
    replace: '',
    tests: [`${queryApi}/test/unit/user-cache.test.ts`, `${queryApi}/test/cached-users.test.ts`],
  },
  {
    file: `${queryApi}/src/by-id/user-cache.ts`,
    what: 'an older read replaces a newer user in the cache',
    find: 'if (user.version >= (this.#entries.peek(id)?.version ?? 0)) {',
    replace: 'if (user.version > 0) {',
    tests: [`${queryApi}/test/unit/user-cache.test.ts`],
  },
  {
    file: `${queryApi}/src/by-id/user-look-up.ts`,
    what: 'a look-up that began before a notice is cached after it',
    find: 'user.version >= current.noticed',
    replace: 'user.version > 0',
    tests: [`${queryApi}/test/user-look-up.test.ts`],
  },
  {
    file: `${queryApi}/src/freshness/fresh-reads.ts`,
    what: 'a query answers an older version than the token names',
    find: '[...users].filter(([id, version]) => version > (stored.get(id) ?? 0))',
    replace: '[...users].filter(([id]) => !stored.has(id))',
    tests: [`${queryApi}/test/unit/fresh-reads.test.ts`, `${queryApi}/test/read-your-writes.test.ts`],
  },
  {
    file: `${queryApi}/src/freshness/fresh-reads.ts`,
    what: 'a user leaves the token while a read model has not its version yet',
    find: 'moment.token([...left])',
    replace: 'moment.token()',
    tests: [`${queryApi}/test/freshness.test.ts`],
  },
  {
    file: `${queryApi}/src/read-store/read-database.ts`,
    what: 'a query reads an older state than its client has seen',
    find: '...(after > 0n && { afterClusterTime: new Timestamp(after) })',
    replace: '',
    tests: [`${queryApi}/test/freshness.test.ts`],
  },
  {
    file: `${queryApi}/src/read-store/read-database.ts`,
    what: 'what is read together is not of one moment',
    find: "const readConcern = { level: 'snapshot', atClusterTime: this.#time }",
    replace: "const readConcern = { level: 'majority' }",
    tests: [`${queryApi}/test/freshness.test.ts`],
  },
  {
    file: `${queryApi}/src/queries/get-user.ts`,
    what: 'an answer from memory is older than what its client has seen',
    find: '{ atLeast: version, after }',
    replace: '{ atLeast: version }',
    tests: [`${queryApi}/test/freshness.test.ts`],
  },
  {
    file: `${queryApi}/src/revocation-list.ts`,
    what: 'a notice of a revocation is ignored',
    find: 'remember(this.#revoked, id, {',
    replace: 'remember(new Map(), id, {',
    tests: [`${queryApi}/test/revocation.test.ts`],
  },
  {
    file: `${queryApi}/src/revocation-list.ts`,
    what: 'the token from just before a revocation is still accepted',
    find: 'caller.version < revoked.tokensFromVersion',
    replace: 'caller.version < revoked.tokensFromVersion - 1',
    tests: [`${queryApi}/test/revocation.test.ts`],
  },
  {
    file: `${queryApi}/src/revocation-list.ts`,
    what: 'a reconnect does not reload what was missed',
    find: '    this.#isStale = true\n    this.#wake.abort()\n',
    replace: '',
    tests: [`${queryApi}/test/revocation.test.ts`, `${queryApi}/test/service.test.ts`],
  },
  {
    file: `${queryApi}/src/revocation-list.ts`,
    what: 'a revocation is forgotten before its tokens expire',
    find: 'now + rememberedMs - ageMs',
    replace: 'now - ageMs',
    tests: [`${queryApi}/test/revocation.test.ts`],
  },
  // The wiring
  {
    file: `${commandApi}/src/service.ts`,
    what: 'nobody answers the comparison',
    find: '  answerSync(nats, { sync: new UserSync(db), users, relay, logger })\n',
    replace: '  void [answerSync, UserSync]\n',
    tests: [`${commandApi}/test/sync.test.ts`],
  },
  {
    file: `${commandApi}/src/service.ts`,
    what: 'nobody sweeps the outbox',
    find: '[collections, streams, nats, relay]) part.start()',
    replace: '[collections, streams, nats]) part.start()',
    tests: [`${commandApi}/test/relay.test.ts`],
  },
  {
    file: `${commandApi}/src/service.ts`,
    what: 'the backlog of the outbox is not measured',
    find: '  measureOutbox(outbox)\n',
    replace: '  void measureOutbox\n',
    tests: [`${commandApi}/test/start.test.ts`, `${commandApi}/test/erasure.test.ts`],
  },
  {
    file: `${commandApi}/src/service.ts`,
    what: 'a stream that disappears is not recreated',
    find: 'if (connection) await resources.createStreams(connection, config.STREAM_REPLICAS, config.STREAM_MAX_BYTES)',
    replace: 'void [connection, resources.createStreams]',
    tests: [`${commandApi}/test/migrate.test.ts`],
  },
  {
    file: `${commandApi}/src/service.ts`,
    what: 'the first admin of the settings is not created',
    find: 'void createFirstAdmin(config, { ...dependencies, firstAdmin: firstAdmin(db) }, closing.signal)',
    replace: 'void createFirstAdmin',
    tests: [`${commandApi}/test/start.test.ts`],
  },
  {
    file: `${commandApi}/src/publishing/erase-history.ts`,
    what: 'the dead letters of a deleted user are kept',
    find: 'filter: `users_dlq.*.',
    replace: 'filter: `nobody.*.',
    tests: [`${commandApi}/test/erasure.test.ts`],
  },
  {
    file: `${projector}/src/service.ts`,
    what: 'no notice of an applied event is published',
    find: 'nats.connection()?.publish(subject, JSON.stringify(notice))',
    replace: 'void [subject, notice]',
    tests: [`${projector}/test/consume.test.ts`],
  },
  {
    file: `${projector}/src/service.ts`,
    what: 'nobody compares the read models with the write side',
    find: 'mailer, ...consumers, waitingMails, upkeep]) part.start()',
    replace: 'mailer, ...consumers, waitingMails]) part.start()',
    tests: [`${projector}/test/upkeep.test.ts`],
  },
  {
    file: `${queryApi}/src/service.ts`,
    what: 'notices are not heard',
    find: '  notices.listen(nats)\n',
    replace: '',
    tests: [`${queryApi}/test/revocation.test.ts`],
  },
  {
    file: `${queryApi}/src/service.ts`,
    what: 'after a reconnect, what the cache missed is still answered',
    find: '    lookUp.outdateAll()\n',
    replace: '',
    tests: [`${queryApi}/test/service.test.ts`, `${queryApi}/test/cached-users.test.ts`],
  },
  // Parts that refuse, fill up, come back older, or belong to another system
  {
    file: `${commandApi}/src/store/user-repository.ts`,
    what: 'an answer without a write is not confirmed by a majority',
    find: '{ ...linearizable, projection: { _id: 1 } }',
    replace: '{ projection: { _id: 1 } }',
    tests: [`${commandApi}/test/no-majority.test.ts`],
  },
  {
    file: `${commandApi}/src/store/user-repository.ts`,
    what: 'the outbox of a user grows without bound',
    find: '...(!revokes && hasRoom) }',
    replace: '}',
    tests: [`${commandApi}/test/outbox.test.ts`],
  },
  {
    file: `${commandApi}/src/store/outbox.ts`,
    what: 'a publish that timed out and arrives after the deletion stays in the stream',
    find: "[next, '$$REMOVE']",
    replace: "[{ $cond: [false, next, null] }, '$$REMOVE']",
    tests: [`${commandApi}/test/late-publish.test.ts`],
  },
  {
    file: 'packages/service-kit/src/mongo/database-clock.ts',
    what: 'a lease that a wrong clock made stops all others until then',
    find: "{ $gt: [field, '$$NOW'] }, { $lte: [field, inMs(lifetimeMs)] }",
    replace: "{ $gt: [field, '$$NOW'] }, { $gt: [lifetimeMs, 0] }",
    tests: [`${commandApi}/test/lease.test.ts`],
  },
  {
    file: `${commandApi}/src/publishing/sync-responder.ts`,
    what: 'a database deletes the users of another one',
    find: '  if ((await sync.identity()) !== writeDatabase) return { published: 0 }\n',
    replace: '',
    tests: [`${commandApi}/test/sync.test.ts`],
  },
  {
    file: `${projector}/src/upkeep/write-side.ts`,
    what: 'the read models follow whatever write database answers',
    find: '    if (followed !== writeDatabase) throw new ForeignWriteDatabase(followed, writeDatabase)\n',
    replace: '    if (!followed) throw new ForeignWriteDatabase(followed, writeDatabase)\n',
    tests: [`${projector}/test/upkeep.test.ts`],
  },
  {
    file: `${projector}/src/upkeep/compare.ts`,
    what: 'a repair deletes every user of a write database that lost its users',
    find: '  if (!isHeld) await republish(orphans)\n',
    replace: '  await republish(orphans)\n',
    tests: [`${projector}/test/unit/compare.test.ts`],
  },
  {
    file: `${projector}/src/upkeep/differences.ts`,
    what: 'the same version with another content is not a difference',
    find: "shows.content === wrote.content ? undefined : 'differs'",
    replace: 'undefined',
    tests: [`${projector}/test/verify.test.ts`],
  },
]
