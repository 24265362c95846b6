import {
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb'
import t from 'tap'
import { ConfigError, isDuplicateKey, isStorageUnavailable, mongoClient } from '../../src/index.ts'

const answer = (code: number, labels: string[] = []) =>
  new MongoServerError({ message: 'from the server', code, errorLabels: labels })

for (const [what, error, unavailable] of [
  ['no server', new MongoServerSelectionError('no server', {} as never), true],
  ['a broken connection', new MongoNetworkError('reset'), true],
  ['a connection that went silent', new MongoNetworkTimeoutError('silent'), true],
  [
    'a pool that was cleared',
    new (class extends MongoNetworkError {
      override get name() {
        return 'PoolClearedOnNetworkError'
      }
    })('cleared'),
    true,
  ],
  ['a primary that steps down', answer(189), true],
  ['a server that shuts down', answer(11600), true],
  ['a write that the driver may try again', answer(64, ['RetryableWriteError']), true],
  ['a duplicate key', answer(11000), false],
  ['missing rights', answer(13), false],
  ['a wrong operation', answer(2), false],
  ['a wrong call', new MongoInvalidArgumentError('wrong'), false],
  ['a program error', new TypeError('wrong'), false],
  ['nothing', undefined, false],
] as const) {
  t.test(`${what} ${unavailable ? 'means' : 'does not mean'} that the database is unavailable`, async (t) => {
    t.equal(isStorageUnavailable(error), unavailable)
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
