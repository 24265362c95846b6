import { type Collection, MongoClient } from 'mongodb'
import { answerJob } from '../harness/in-child.ts'
import { type Sample, sampleOf } from '../harness/statistics.ts'

/** The bare driver on the same database: a fixed number of operations in flight, and nothing else. */
export type DriverJob = {
  uri: string
  collection: string
  inFlight: number
  seconds: number
  read: { ids: string[] } | { filter: object; limit: number }
}

type Stored = { _id: string }

await answerJob<DriverJob>(async ({ uri, collection, inFlight, seconds, read }): Promise<Sample> => {
  const client = await new MongoClient(uri, { maxPoolSize: inFlight, minPoolSize: inFlight }).connect()
  const users = client.db().collection<Stored>(collection)
  const one: () => Promise<unknown> = 'ids' in read ? oneById(users, read.ids) : onePage(users, read)
  await Promise.all(Array.from({ length: inFlight }, one))
  const times: number[] = []
  const endsAt = performance.now() + seconds * 1_000
  const loop = async () => {
    for (let at = performance.now(); at < endsAt; ) {
      await one()
      times.push(performance.now() - at)
      at = performance.now()
    }
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
  await client.close()
  return sampleOf(times, seconds)
})

function oneById(users: Collection<Stored>, ids: string[]) {
  return () => users.findOne({ _id: ids[Math.floor(Math.random() * ids.length)] as string })
}

function onePage(users: Collection<Stored>, { filter, limit }: { filter: object; limit: number }) {
  return () => users.find(filter).sort({ _id: -1 }).limit(limit).toArray()
}
