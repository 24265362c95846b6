import type { NatsLink } from '@cqrs/service-kit'
import type { Db } from 'mongodb'
import t from 'tap'
import { Live } from '../../src/operations/live.ts'

t.test('who watches gets one state a second, also while nothing answers', async (t) => {
  const live = new Live({ db: {} as Db, nats: { connection: () => undefined } as NatsLink })
  const from = performance.now()
  let states = 0
  for await (const { isWell, problems } of live.states()) {
    t.notOk(isWell)
    t.match(problems[0], { text: 'the read database does not answer' })
    if (++states === 3) live.close()
  }
  t.ok(performance.now() - from > 1_900)
})
