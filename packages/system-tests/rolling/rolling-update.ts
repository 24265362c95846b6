import { setTimeout as delay } from 'node:timers/promises'
import {
  type DirectoryDocument,
  type DirectoryShape,
  readModelsCollection,
  type ShapeState,
  shapeName,
  usersStream,
  wordsOf,
} from '@cqrs/contracts'
import { runProgram } from '@cqrs/local-stack/testing'
import { jetstreamManager } from '@nats-io/jetstream'
import type { Db } from 'mongodb'
import { environmentOf } from '../faults/replica.ts'
import { underLoad, type World } from '../faults/world.ts'

/**
 * Projector and query-api of an earlier release are updated to this one while clients send commands and queries: both
 * run side by side, the new shape of the directory is filled and becomes live, and everything goes back again. No query
 * may fail, and no document may have the words of another shape.
 */
export async function rollingUpdate(world: World, _round: number, log: (line: string) => void): Promise<void> {
  const { read, wrong, dataDir, stack, earlierRelease: earlier } = world
  const part = (name: 'projector' | 'query-api') => {
    const found = world.services.find((service) => service.name === name && service.server === stack?.servers[name])
    if (!stack || !found) throw new Error(`no ${name} of the earlier release`)
    return found
  }
  const old = { projector: part('projector'), queryApi: part('query-api') }
  const operate = async (args: string[], release?: string): Promise<string> => {
    // Until 0.3.0 the command line belonged to the projector.
    const program = release ? 'projector' : 'operator'
    const { code, output } = await runProgram(program, 'cli.js', args, environmentOf('operator', dataDir), release)
    if (code !== 0) wrong.push(`${args.join(' ')} failed: ${output}`)
    return output.trim()
  }
  const queries = keepAsking(world, [old.queryApi.url])
  try {
    await underLoad(world)
    const migrating = { ...environmentOf('projector', dataDir), ...stack?.natsUsers.migrate }
    const migrated = await runProgram('projector', 'migrate.js', [], migrating)
    if (migrated.code !== 0) wrong.push(`migrate failed: ${migrated.output}`)
    const projector = await world.addReplica('projector')
    const queryApi = await world.addReplica('query-api')
    queries.ask([old.queryApi.url, queryApi.url])
    await operate(['rebuild', shapeName('user_directory', 2)])
    await underLoad(world)
    await queries.leave(old.queryApi.url)
    await old.queryApi.server.stop()
    await old.projector.server.stop()

    log(await operate(['shape', 'switch', shapeName('user_directory', 2)]))
    await queries.all('example', 'the shape that is live now has words of addresses')
    wrong.push(...(await wrongShapes(read)))
    await underLoad(world)
    const back = await operate(['shape', 'rollback', 'user_directory'])
    await queries.none('example', 'the shape before has only words of names')
    log(back)

    await old.projector.server.start()
    await old.queryApi.server.start()
    queries.ask([old.queryApi.url, queryApi.url])
    await underLoad(world)
    await queries.leave(queryApi.url)
    await queryApi.server.stop()
    await projector.server.stop()
    // Its consumer would hold every event.
    await operate(['shape', 'drop', shapeName('user_directory', 2)], earlier)
    const { consumers } = await jetstreamManager(world.nats, { checkAPI: false })
    const left = await consumers.info(usersStream.name, shapeName('user_directory', 2)).catch(() => undefined)
    if (left) wrong.push('the consumer of the dropped shape is still there')
    wrong.push(...(await wrongShapes(read)))
  } finally {
    const { asked, failed } = await queries.stop()
    log(`${asked} queries, ${failed.length} failed`)
    wrong.push(...failed)
    if (asked < 50) wrong.push(`only ${asked} queries were asked`)
  }
}

/** Sends every kind of query to each of these query-apis in turn, and hands on what it was told. */
function keepAsking({ adminToken }: World, urls: string[]) {
  const paths = ['directory/users?word=load', 'users', 'users?q=load', 'users/by-role/seller', 'stats/users']
  const failed: string[] = []
  let [asked, token, current, isRunning] = [0, '', urls, true]
  let answering: Promise<unknown> = Promise.resolve()
  const get = async (url: string, path: string) => {
    const headers = { authorization: `Bearer ${adminToken}`, ...(token && { 'consistency-token': token }) }
    const answer = await fetch(`${url}/api/v1/${path}`, { headers, signal: AbortSignal.timeout(15_000) })
    const body = (await answer.json()) as { data?: unknown[] }
    if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(body)}`)
    token = answer.headers.get('consistency-token') ?? token
    return body
  }
  const running = (async () => {
    while (isRunning) {
      const [url, path] = [current[asked % current.length] as string, paths[asked % paths.length] as string]
      answering = get(url, path).catch((error) => failed.push(`${path} failed: ${(error as Error).message}`))
      await answering
      asked++
      await delay(10) // leaves the processor to others
    }
  })()
  const found = async (word: string) =>
    (await get(current[0] as string, `directory/users?word=${word}`)).data?.length ?? 0
  return {
    ask: (urls: string[]) => {
      current = urls
    },
    /** Sends nothing more to this one, as a proxy does before it stops. */
    async leave(url: string) {
      current = current.filter((one) => one !== url)
      await answering
    },
    async all(word: string, why: string) {
      if ((await found(word)) === 0) failed.push(`nobody is found by ${word}: ${why}`)
    },
    async none(word: string, why: string) {
      if ((await found(word)) > 0) failed.push(`somebody is found by ${word}: ${why}`)
    },
    async stop() {
      isRunning = false
      await running
      return { asked, failed }
    },
  }
}

/** The documents of the directory whose words are not those of their shape, in a full scan of each collection. */
async function wrongShapes(read: Db): Promise<string[]> {
  const wrong: string[] = []
  for (const shape of [1, 2] as DirectoryShape[]) {
    const states = read.collection<ShapeState>(readModelsCollection)
    const { live = '' } =
      (await states.findOne({ _id: shapeName('user_directory', shape), written: { $ne: [] } })) ?? {}
    if (!live) continue
    for await (const { _id, name, email, words } of read
      .collection<DirectoryDocument>(live)
      .find({ name: { $exists: true } })) {
      const right = wordsOf(shape === 1 ? name : `${name} ${email}`, shape)
      if (words.join() !== right.join()) wrong.push(`${live}: ${_id} has the words ${words}, not ${right}`)
    }
  }
  return wrong
}
