import {
  MongoBulkWriteError,
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoServerClosedError,
  MongoServerError,
  MongoServerSelectionError,
  MongoUnexpectedServerResponseError,
  MongoWriteConcernError,
} from 'mongodb'
import t from 'tap'
import { ConfigError, isDuplicateKey, isRefused, isStorageUnavailable, mongoClient } from '../../src/index.ts'

const answer = (code: number, labels: string[] = []) =>
  new MongoServerError({ message: 'from the server', code, errorLabels: labels })

/** A bulk write that ended with this error, as the driver wraps it. */
const inBulk = (error: Error | { code: number; message: string }) =>
  new MongoBulkWriteError(error as Error, { insertedCount: 0 } as never)
const noMajority = new MongoWriteConcernError({ ok: 1, writeConcernError: { code: 64, errmsg: 'waiting timed out' } })

for (const [what, error, expected] of [
  ['no server', new MongoServerSelectionError('no server', {} as never), 'unavailable'],
  ['a broken connection', new MongoNetworkError('reset'), 'unavailable'],
  ['a connection that went silent', new MongoNetworkTimeoutError('silent'), 'unavailable'],
  [
    'a pool that was cleared',
    new (class extends MongoNetworkError {
      override get name() {
        return 'PoolClearedOnNetworkError'
      }
    })('cleared'),
    'unavailable',
  ],
  ['a server that was closed before its use', new MongoServerClosedError(), 'unavailable'],
  ['a server that died after its selection', new MongoUnexpectedServerResponseError('no retries'), 'unavailable'],
  ['a primary that steps down', answer(189), 'unavailable'],
  ['a server that shuts down', answer(11600), 'unavailable'],
  ['a write that the driver may try again', answer(1, ['RetryableWriteError']), 'unavailable'],
  ['a transaction that can be tried again', answer(112, ['TransientTransactionError']), 'unavailable'],
  ['a write that no majority confirms', noMajority, 'unavailable'],
  ['a majority that cannot exist', answer(100), 'unavailable'],
  ['a linearizable read without a majority', answer(148), 'unavailable'],
  ['a read that took too long', answer(50), 'unavailable'],
  ['an operation that took too long', answer(262), 'unavailable'],
  ['an operation that an operator ended', answer(11601), 'unavailable'],
  ['a router without its shard', answer(6), 'unavailable'],
  ['a bulk write on a broken connection', inBulk(new MongoNetworkError('closed')), 'unavailable'],
  ['a bulk write on no server', inBulk(new MongoServerSelectionError('none', {} as never)), 'unavailable'],
  ['a bulk write that no majority confirms', inBulk({ code: 64, message: 'timed out' }), 'unavailable'],
  ['an error with such a cause', new Error('failed', { cause: new MongoNetworkError('reset') }), 'unavailable'],
  [
    'a write to a connection that the server has closed',
    Object.assign(new Error('This socket has been ended by the other party'), { code: 'EPIPE' }),
    'unavailable',
  ],
  ['missing rights', answer(13), 'refused'],
  ['a wrong password', answer(18), 'refused'],
  ['a used up quota', answer(12501), 'refused'],
  ['a full disk', answer(14031), 'refused'],
  ['blocked writes', answer(371), 'refused'],
  ['a bulk write without rights', inBulk({ code: 13, message: 'not authorized' }), 'refused'],
  ['a duplicate key', answer(11000), 'neither'],
  ['a duplicate key in a bulk write', inBulk({ code: 11000, message: 'E11000' }), 'neither'],
  ['a wrong operation', answer(2), 'neither'],
  ['a wrong call', new MongoInvalidArgumentError('wrong'), 'neither'],
  ['a program error', new TypeError('wrong'), 'neither'],
  ['the code of another library', Object.assign(new Error('wrong'), { code: 13 }), 'neither'],
  ['nothing', undefined, 'neither'],
] as const) {
  t.test(`${what}: ${expected}`, async (t) => {
    t.equal(isStorageUnavailable(error), expected !== 'neither')
    t.equal(isRefused(error), expected === 'refused')
  })
}

t.test('only error 11000 of MongoDB is a duplicate key', async (t) => {
  t.ok(isDuplicateKey(answer(11000)))
  t.notOk(isDuplicateKey(answer(13)))
  t.notOk(isDuplicateKey(Object.assign(new Error('not from MongoDB'), { code: 11000 })))
})

t.test('a malformed URI is refused without quoting it', async (t) => {
  for (const uri of ['', 'localhost', 'mongodb://', 'mongodb://jane:secret@:x', 'mongodb://a/?unknown=secret']) {
    const error = t.throws(() => mongoClient(uri, 'test'), new ConfigError()) as unknown as Error
    t.notMatch(error.message, /secret|\n/)
  }
})
