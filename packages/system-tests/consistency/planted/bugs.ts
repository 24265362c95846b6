import type { SourceChange } from '@cqrs/local-stack/testing'

/** Faults of the system, of which needs.ts tells the nemeses. */
export type Need =
  | 'none'
  | 'kill waiting command-apis'
  | 'kill projector'
  | 'kill waiting projectors'
  | 'kill query-api'
  | 'nats unavailable'
  | 'cut primary'
  | 'secondary behind'
  | 'rebuild'
  | 'foreign write side'

/** A fault of the code that the checker has to find from what clients see. */
export type PlantedBug = {
  name: string
  /** What is broken, as a user would say it. */
  what: string
  changes: SourceChange[]
  /** The fault without which it cannot be seen. */
  needs: Need
  /** The length of a history that shows it, where it is not the usual one. */
  seconds?: number
  /** What clients have to do, and what else of the system has to be so. */
  traffic: string
  /** Rules of packages/checker of which at least one finds it, the most likely first. */
  rules: string[]
}

const commandApi = 'services/command-api/src'
const projector = 'services/projector/src'
const queryApi = 'services/query-api/src'
const operator = 'packages/operator/src'
const mongoClient = 'packages/service-kit/src/mongo/client.ts'

export const bugs: readonly PlantedBug[] = [
  // Commands
  {
    name: 'no-version-in-the-filter',
    what: 'the later of two changes at once overwrites the earlier one, and both are acknowledged',
    changes: [
      {
        file: `${commandApi}/store/user-repository.ts`,
        find: '{ _id: id, version: expectedVersion, ...(updated',
        replace: '{ _id: id, ...(updated',
      },
    ],
    needs: 'none',
    traffic: 'several clients change one user at once',
    rules: ['content', 'order', 'explained', 'if-match'],
  },
  {
    name: 'answer-before-the-write',
    what: 'a change is acknowledged before it is written, also if it is never written',
    changes: [
      {
        file: `${commandApi}/store/change-user.ts`,
        find: '    if (!(await save(users, change, current, once))) return undefined\n',
        replace:
          '    const saving = save(users, change, current, once)\n' +
          '    if (!change && !(await saving)) return undefined\n' +
          '    saving.catch(() => undefined)\n',
      },
    ],
    needs: 'none',
    traffic: 'several clients change one user at once; a cut primary or a killed command-api shows it as well',
    rules: ['content', 'order', 'explained', 'if-match', 'one-key'],
  },
  {
    name: 'registered-before-the-write',
    what: 'a registration is acknowledged before it is written, also if it is never written',
    changes: [
      {
        file: `${commandApi}/commands/register-user.ts`,
        find: 'await users.insert(change, done)',
        replace: 'users.insert(change, done).catch(() => undefined)',
      },
    ],
    needs: 'none',
    traffic: 'clients register one address that is taken, or all at once; a look at the write database misses the user',
    rules: ['email', 'order', 'mail'],
  },
  {
    name: 'acknowledged-by-one-node',
    what: 'a command is acknowledged when one node of the database has it, and a fail-over undoes it',
    changes: [{ file: mongoClient, find: "writeConcern: { w: 'majority',", replace: 'writeConcern: { w: 1,' }],
    needs: 'cut primary',
    seconds: 40,
    traffic: 'commands during the cut, through a command-api that still reaches the primary of the write database',
    rules: ['order', 'content', 'explained', 'email'],
  },
  {
    name: 'local-reads',
    what: 'a repeated command is answered from what only one node of the database has, and a fail-over undoes it',
    changes: [
      { file: mongoClient, find: "readConcern: { level: 'majority' }", replace: "readConcern: { level: 'local' }" },
      {
        file: mongoClient,
        find: "readConcern: { level: 'linearizable' }",
        replace: "readConcern: { level: 'local' }",
      },
    ],
    needs: 'cut primary',
    seconds: 40,
    traffic:
      'a command without an answer (503 after 5 s without a majority) is repeated within the 10 s in which the cut ' +
      'primary of the write database has not stepped down, through a command-api that still reaches it',
    rules: ['order', 'content', 'explained'],
  },
  {
    name: 'condition-on-the-first-attempt-only',
    what: '`If-Match` is not compared again after a conflict, and the change overwrites one that its client never saw',
    changes: [
      {
        file: `${commandApi}/commands/update-user.ts`,
        find: '      const decide = async (current: User) => {\n        refuseUnlessMatching(headers, current)\n',
        replace:
          '      let isFirst = true\n      const decide = async (current: User) => {\n' +
          '        if (isFirst) refuseUnlessMatching(headers, current)\n        isFirst = false\n',
      },
    ],
    needs: 'none',
    traffic: 'several clients change one user at once, with `If-Match`',
    rules: ['if-match'],
  },
  {
    name: 'address-checked-before-the-write',
    what: 'two who register with one e-mail address at the same time both get an account',
    changes: [
      {
        file: `${commandApi}/store/user-document.ts`,
        find: 'key: { email: 1 }, unique: true, ',
        replace: 'key: { email: 1 }, ',
      },
      {
        file: `${commandApi}/commands/register-user.ts`,
        find: '        const passwordHash = await passwords.hash(',
        replace:
          "        if (await users.findByEmail(email)) throw new Refusal('email-taken')\n" +
          '        const passwordHash = await passwords.hash(',
      },
    ],
    needs: 'none',
    traffic: 'several clients register one address at once',
    rules: ['email'],
  },
  // Idempotency
  {
    name: 'idempotency-after-the-write',
    what: 'a change is remembered under its idempotency key only after it was written, and is made twice until then',
    changes: [
      {
        file: `${commandApi}/store/user-repository.ts`,
        find: '          ...(updated && { updatesDone: withLast(updated) }),\n',
        replace: '',
      },
      {
        file: `${commandApi}/store/user-repository.ts`,
        find: '    return matchedCount === 1\n  }\n\n  /** The same for an update',
        // Without the delay, a repeated request has to come between two writes of some milliseconds.
        replace:
          '    const remember = () => this.#users.updateOne({ _id: id }, { $push: lastOf(updated as UpdateDone) })\n' +
          '    if (matchedCount === 1 && updated) setTimeout(() => remember().catch(() => undefined), 1_000)\n' +
          '    return matchedCount === 1\n  }\n\n  /** The same for an update',
      },
    ],
    needs: 'none',
    traffic:
      'changes with a key that are repeated within a second, answered or not, while others change the user; or ' +
      'later, when the command-api of the first was killed within that time',
    rules: ['one-key', 'explained'],
  },
  {
    name: 'idempotency-for-a-moment',
    what: 'an idempotency key is forgotten after 50 ms, and a repeated request changes the user again',
    changes: [
      {
        file: `${commandApi}/store/user-repository.ts`,
        find: 'now.at.getTime() - 24 * 3_600_000',
        replace: 'now.at.getTime() - 50',
      },
    ],
    needs: 'none',
    traffic:
      'changes with a key that are repeated later than 50 ms, answered or not, while others change the user; a ' +
      'killed command-api makes more of them',
    rules: ['one-key', 'explained'],
  },
  // Publishing and welcome e-mails
  {
    name: 'short-duplicate-window',
    what: 'an event that a crash publishes twice sends two welcome e-mails',
    changes: [
      {
        file: 'packages/contracts/src/events.ts',
        find: 'duplicateWindowMs: 120_000',
        replace: 'duplicateWindowMs: 100',
      },
      // Alone it changes nothing: read models compare versions, and the record knows which mails were sent.
      {
        file: `${projector}/welcome-email/welcome-email-record.ts`,
        find: "$ifNull: ['$sentAt', '$lostAt']",
        replace: "$ifNull: ['$lostAt', null]",
      },
    ],
    needs: 'kill waiting command-apis',
    traffic:
      'registrations all the time: a kill must come between a publish and its removal from the outbox, which takes ' +
      'some 30 ms while NATS answers at once',
    rules: ['mail'],
  },
  {
    name: 'relay-forgets',
    what: 'what happens while the broker is unavailable is never told to anybody',
    changes: [
      {
        file: `${commandApi}/publishing/relay.ts`,
        find: '    if (!connection) return false\n',
        replace:
          '    if (!connection) {\n      this.#acknowledged.push({ id: event.id, subject: event.subject })\n' +
          '      this.#removal ??= this.#removeAcknowledged()\n      return true\n    }\n',
      },
      {
        file: `${commandApi}/publishing/relay.ts`,
        find: '      this.#noteFailure(event, error)\n      return false',
        replace: '      this.#noteFailure(event, error)',
      },
    ],
    needs: 'nats unavailable',
    traffic:
      'registrations, revocations and deletions while NATS is unavailable, and afterwards queries with revoked ' +
      'tokens and without consistency tokens (those with one get 503). The comparison of every 5 s mends the read ' +
      'models and not the mails',
    rules: ['mail', 'revoked', 'deleted'],
  },
  {
    name: 'acknowledged-before-it-is-handled',
    what: 'events that a process receives just before it crashes are lost',
    changes: [
      {
        file: `${projector}/consuming/settle.ts`,
        find: '    await handled\n',
        replace: '    message.ack()\n    await handled\n',
      },
    ],
    needs: 'kill waiting projectors',
    traffic:
      'registrations, revocations and deletions all the time. What was received and not handled is lost: most while ' +
      'the read database or the mail server was slow or unavailable just before',
    rules: ['mail', 'revoked', 'deleted'],
  },
  {
    name: 'mail-after-the-crash',
    what: 'a user whose welcome e-mail was just sent when a process crashed gets another one',
    changes: [
      {
        file: `${projector}/welcome-email/welcome-email-record.ts`,
        find: "const isHandedOver = { $gt: ['$handedOverAt', null] }",
        replace: 'const isHandedOver = { $eq: [0, 1] }',
      },
      {
        file: `${projector}/welcome-email/welcome-email-record.ts`,
        find: 'const handOverMs = 600_000',
        replace: 'const handOverMs = 5_000',
      },
    ],
    needs: 'kill projector',
    traffic:
      'registrations all the time: the kill must come between the mail and its record (some 20 ms; more with a mail ' +
      'server that takes its time to answer)',
    rules: ['mail'],
  },
  // Projector and read models
  {
    name: 'older-event-wins',
    what: 'an event that arrives late takes a user back to an older version',
    changes: [
      {
        file: `${projector}/read-store/versioned-writes.ts`,
        find: '{ $gt: [document.version,',
        replace: '{ $ne: [document.version,',
      },
    ],
    needs: 'kill waiting projectors',
    traffic:
      'many changes of few users, and queries with the tokens of earlier queries. What a killed projector has not ' +
      'acknowledged arrives again 10 s later; two command-apis also publish the events of one user in any order',
    rules: ['monotonic-reads', 'read-your-writes'],
  },
  {
    name: 'late-event-revives',
    what: 'an event that arrives late brings back a deleted user',
    changes: [
      {
        file: `${projector}/read-store/versioned-writes.ts`,
        find: "{ $gt: [document.version, { $ifNull: ['$version', 0] }] }",
        replace: "{ $or: [{ $gt: [document.version, { $ifNull: ['$version', 0] }] }, '$deletedAt'] }",
      },
      // Alone it changes nothing: a deletion erases the earlier events of its user from the stream.
      { file: `${commandApi}/publishing/relay.ts`, find: '        await eraseHistory(connection, _id)\n', replace: '' },
    ],
    needs: 'kill waiting projectors',
    traffic: 'users that are changed and then deleted within 10 s of the kill, and queries that would show them',
    rules: ['deleted'],
  },
  {
    name: 'tombstone-expires-at-once',
    what: 'a minute after its deletion the read side has forgotten a user, and accepts its access tokens again',
    changes: [
      {
        file: `${projector}/projections/tombstone.ts`,
        find: 'deletedAt.getTime() + tombstoneLifetimeMs',
        replace: 'deletedAt.getTime()',
      },
    ],
    needs: 'none',
    seconds: 130,
    traffic:
      'queries with the access token of a user that was deleted 60 to 110 s before (MongoDB looks for expired ' +
      'documents every 60 s, `ttlMonitorSleepSecs`; query-api reads its list every 10 s and keeps notices for 30 ' +
      's). A late event cannot revive the user: it is erased from the stream',
    rules: ['revoked'],
  },
  {
    name: 'rebuild-switches-early',
    what: 'a rebuild shows a read model that is not filled yet, and users are missing',
    changes: [
      {
        file: `${operator}/operations/rebuild-read-model.ts`,
        find: '    await earlierBatchesDone(projection.name)\n',
        replace: '    await record.switch()\n',
      },
      {
        file: `${operator}/operations/rebuild-read-model.ts`,
        find: '      await record.progress({ after, filled, total })\n',
        replace: '',
      },
      {
        file: `${operator}/operations/rebuild-read-model.ts`,
        find: '    await record.switch()\n    return',
        replace: '    return',
      },
    ],
    needs: 'rebuild',
    traffic:
      'lists and directories with the tokens of earlier queries in the moment after the switch, so several rebuilds ' +
      'of `users_read_v1` and `user_directory_v2` under load',
    rules: ['monotonic-reads', 'read-your-writes'],
  },
  {
    name: 'old-collection-after-a-rebuild',
    what: 'queries read the collection from before a rebuild, which is no longer kept up to date',
    changes: [
      { file: `${queryApi}/read-store/read-database.ts`, find: '      this.#lastSeen.learn(state)\n', replace: '' },
      {
        file: `${queryApi}/read-store/read-database.ts`,
        find: 'if (this.#live.collectionOf(readModel) === assumed) return found',
        replace: 'if (assumed) return found',
      },
      {
        file: `${queryApi}/read-store/read-database.ts`,
        find: 'this.findIn(live.collectionOf(readModel),',
        replace: 'this.findIn(this.#lastSeen.collectionOf(readModel),',
      },
    ],
    needs: 'rebuild',
    traffic:
      'commands and queries with their tokens, from the rebuild on: the old collection is behind by moments, and ' +
      'stands still 60 s later, at the next comparison (`VERIFY_EVERY_SECONDS`, 5)',
    rules: ['read-your-writes', 'monotonic-reads', 'deleted'],
  },
  {
    name: 'repair-without-a-brake',
    what: 'the repair deletes from the read models whatever some write database does not know',
    changes: [
      { file: `${projector}/upkeep/compare.ts`, find: 'if (!isHeld) await republish', replace: 'await republish' },
      // Alone it changes nothing: a comparison with another write database ends, and that one publishes nothing.
      {
        file: `${projector}/upkeep/write-side.ts`,
        find: 'if (followed !== writeDatabase) throw',
        replace: 'if (!followed) throw',
      },
      {
        file: `${commandApi}/publishing/sync-responder.ts`,
        find: 'if ((await sync.identity()) !== writeDatabase) return',
        replace: 'if (!writeDatabase) return',
      },
    ],
    needs: 'foreign write side',
    traffic:
      'for some seconds only a command-api on another, empty, migrated database answers over NATS, with ' +
      '`VERIFY_EVERY_SECONDS` below that time; then queries of users that live',
    rules: ['monotonic-reads', 'read-your-writes', 'content'],
  },
  // Queries
  {
    name: 'cache-without-versions',
    what: 'a user in the memory of query-api is answered, whatever version the client has seen',
    changes: [
      {
        file: `${queryApi}/by-id/user-look-up.ts`,
        find: 'if (!cached || cached.version < atLeast || cached.time < after) return',
        replace: 'if (!cached) return',
      },
    ],
    needs: 'none',
    traffic:
      'reads by id with `X-Min-Version` right after a change, of users that others read; reads by id with the token ' +
      'of another query see it while NATS is unavailable',
    rules: ['read-your-writes', 'monotonic-reads'],
  },
  {
    name: 'token-not-waited-for',
    what: 'a query does not wait for the change of its own client',
    changes: [
      {
        file: `${queryApi}/freshness/fresh-reads.ts`,
        find: '[...users].filter(([id, version]) => version > (stored.get(id) ?? 0))',
        replace: '[...users].filter(() => stored.size < 0)',
      },
    ],
    needs: 'none',
    traffic: 'queries with the token of a command right after it',
    rules: ['read-your-writes', 'deleted'],
  },
  {
    name: 'by-role-drops-the-token',
    what: 'the list by role does not wait for what its client has seen, as all other queries do',
    changes: [
      {
        file: `${queryApi}/queries/list-users-by-role.ts`,
        find: 'seen: seenOf(request)',
        replace: 'seen: undefined',
      },
    ],
    needs: 'none',
    traffic: 'lists by role with the token of a command right after it',
    rules: ['read-your-writes', 'deleted'],
  },
  {
    name: 'secondary-without-a-time',
    what: 'a secondary shows an older state than its client has seen',
    changes: [
      {
        file: `${queryApi}/read-store/read-database.ts`,
        find: ', ...(after > 0n && { afterClusterTime: new Timestamp(after) })',
        replace: '',
      },
    ],
    needs: 'secondary behind',
    traffic: 'queries with the token of a query at another query-api, of which one reads from secondaries',
    rules: ['monotonic-reads', 'deleted'],
  },
  // Tokens
  {
    name: 'revocations-start-empty',
    what: 'a query-api that has just started accepts revoked tokens for 10 s',
    changes: [
      {
        file: `${queryApi}/revocation-list.ts`,
        find: '    this.#running = this.#keepCurrent()\n',
        replace: '    setTimeout(() => {\n      this.#running = this.#keepCurrent()\n    }, 10_000).unref()\n',
      },
      // Alone either changes nothing: the list is loaded before the first request, or by it.
      {
        file: `${queryApi}/revocation-list.ts`,
        find: '    if (this.#loadedAt === undefined) await this.#load()\n',
        replace: '',
      },
    ],
    needs: 'kill query-api',
    seconds: 40,
    traffic: 'queries with tokens that were revoked before the kill, within 10 s of the start',
    rules: ['revoked'],
  },
  {
    name: 'commands-accept-revoked-tokens',
    what: 'after a log-out everywhere, the access tokens from before still change the user',
    changes: [
      {
        file: `${commandApi}/sign-in/admit.ts`,
        find: 'caller.version < user.tokensFromVersion',
        replace: 'caller.version < 1',
      },
    ],
    needs: 'none',
    traffic: 'commands with access tokens from before a log-out everywhere or a change of password',
    rules: ['revoked'],
  },
  {
    name: 'sessions-outlive-the-log-out',
    what: 'after a log-out everywhere, the refresh tokens from before still get new access tokens',
    changes: [
      {
        file: `${commandApi}/commands/refresh-session.ts`,
        find: 'userVersion < user.tokensFromVersion',
        replace: 'userVersion < 1',
      },
      // Alone it changes nothing: the sessions are deleted as well.
      { file: `${commandApi}/sign-in/forget-sessions.ts`, find: '.endAllOf(userId)', replace: ".endAllOf('')" },
    ],
    needs: 'none',
    traffic: 'refreshes with tokens from before a log-out everywhere, a change of password or a deactivation',
    rules: ['revoked'],
  },
]
