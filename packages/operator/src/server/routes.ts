import { Readable } from 'node:stream'
import { type ReadModelName, Refusal, readModelShapes } from '@cqrs/contracts'
import { ForeignWriteDatabase } from '@cqrs/projector'
import { type Authenticate, aboutRequest, callerOf, type HttpServer, type NatsLink } from '@cqrs/service-kit'
import type { FastifyError, FastifyRequest } from 'fastify'
import type { Db } from 'mongodb'
import Type from 'typebox'
import { OperatorActions } from '../operations/actions.ts'
import { compareAll, type Finding } from '../operations/comparison.ts'
import { consumers, pauseConsumer, resumeConsumer } from '../operations/consumers.ts'
import type { Context } from '../operations/context.ts'
import { type AboutLetter, deadLetters, readDeadLetter, settleDeadLetters } from '../operations/dead-letters.ts'
import type { Live } from '../operations/live.ts'
import { longestWaiting } from '../operations/outbox.ts'
import {
  abandonRebuild,
  dropShape,
  rebuildShape,
  rollBack,
  type Shape,
  shapeNamed,
  switchTo,
  writtenShapes,
} from '../operations/read-models.ts'
import { currentState } from '../operations/state.ts'

const Consumer = Type.Object({ consumer: Type.Enum([...consumers]) })
const WrittenShape = Type.Object({ shape: Type.Enum([...writtenShapes]) })
const AnyShape = Type.Object({ shape: Type.String({ pattern: '^\\w+_v[1-9]\\d{0,3}$' }) })
const ReadModel = Type.Object({ readModel: Type.Enum(Object.keys(readModelShapes) as ReadModelName[]) })
const Seq = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const filter = { consumer: Type.Optional(Type.String()), reason: Type.Optional(Type.String()) }

type Parts = { db: Db; nats: NatsLink; live: Live; authenticate: Authenticate }

/** The operator's HTTP API, for administrators: the operations of the command line, below /operator. */
export function answerOperations(app: HttpServer, { db, nats, live, authenticate }: Parts): void {
  const actingFor = (request: FastifyRequest): Context => {
    const log = request.log.child({ ...aboutRequest(request) }, { level: 'info' })
    const actor = { actor: 'administrator', actor_id: callerOf(request)?.id ?? '' }
    return { db, nats, actions: new OperatorActions(db, actor, (action) => log.info(action, 'audit')) }
  }
  app.register(
    async (app: HttpServer) => {
      app.addHook('onRequest', authenticate)
      app.setErrorHandler((error: FastifyError) => {
        // What an operation throws itself says, for an operator, why it is not possible.
        throw isOwn(error) ? new Refusal('operation-refused', { detail: error.message }) : error
      })

      app.get('/status', () => currentState({ db, nats }))
      // It ends with the connection, or with this process, which an open connection would keep from stopping.
      app.get('/live', { config: { boundsItself: true } }, (_request, reply) =>
        reply
          .headers({ 'content-type': 'text/event-stream', connection: 'close' })
          .send(Readable.from(asEvents(live.states()), { highWaterMark: 1 })),
      )

      const shape = '/read-models/:shape'
      // Those that run in this process: their progress is in the state.
      app.post(`${shape}/rebuild`, { schema: { params: WrittenShape } }, async (request, reply) => {
        const { shape } = request.params
        await started(rebuildShape(actingFor(request), shape), request)
        return reply.status(202).send({ shape })
      })
      app.delete(`${shape}/rebuild`, { schema: { params: WrittenShape } }, async (request) => {
        const { shape } = request.params
        return { shape, abandoned: (await abandonRebuild(actingFor(request), shape)) ?? null }
      })
      app.post(`${shape}/switch`, { schema: { params: AnyShape } }, async (request) => {
        const { readModel, number } = knownShape(request.params.shape)
        return switchTo(actingFor(request), readModel, number)
      })
      app.delete(shape, { schema: { params: AnyShape } }, async (request) =>
        dropShape(actingFor(request), knownShape(request.params.shape)),
      )
      app.post('/read-models/:readModel/rollback', { schema: { params: ReadModel } }, (request) =>
        rollBack(actingFor(request), request.params.readModel),
      )

      let isComparing = false
      const Comparison = Type.Object({
        repair: Type.Optional(Type.Boolean()),
        allowDeletions: Type.Optional(Type.Integer({ minimum: 0 })),
      })
      app.post('/comparison', { config: { boundsItself: true }, schema: { body: Comparison } }, (request, reply) => {
        const { repair = false, allowDeletions } = request.body
        if (allowDeletions !== undefined && !repair)
          throw new Refusal('operation-refused', { detail: '`allowDeletions` needs `repair`' })
        if (isComparing) throw new Refusal('operation-refused', { detail: 'another comparison is running' })
        isComparing = true
        const lines = new Readable({ read() {} })
        const say = (line: Finding | { isWhole: boolean }) => lines.push(`${JSON.stringify(line)}\n`)
        let shown = 0
        const report = (finding: Finding) => (!('id' in finding) || shown++ < shownDifferences) && say(finding)
        compareAll(actingFor(request), { repair, mayDelete: allowDeletions }, report)
          .finally(() => {
            isComparing = false
          })
          .then((isWhole) => say({ isWhole }) && lines.push(null))
          .catch((error) => lines.destroy(error))
        return reply.headers({ 'content-type': 'application/x-ndjson', connection: 'close' }).send(lines)
      })

      const letter = '/dead-letters/:seq'
      app.get('/dead-letters', { schema: { querystring: Type.Object(filter) } }, async (request) => {
        const data: AboutLetter[] = []
        for await (const letter of deadLetters({ nats }, request.query)) {
          if (data.length === shownLetters) return { data, more: true }
          data.push(letter)
        }
        return { data, more: false }
      })
      app.get(
        letter,
        {
          schema: {
            params: Type.Object({ seq: Seq }),
            querystring: Type.Object({ unmasked: Type.Optional(Type.Boolean()) }),
          },
        },
        (request) => readDeadLetter(actingFor(request), request.params.seq, { isMasked: !request.query.unmasked }),
      )
      const Which = Type.Object({ seq: Type.Optional(Seq), ...filter, dryRun: Type.Optional(Type.Boolean()) })
      for (const [action, done] of [
        ['replay', 'replayed'],
        ['drop', 'dropped'],
      ] as const)
        app.post(`/dead-letters/${action}`, { schema: { body: Which } }, async (request) => {
          const { dryRun = false, ...which } = request.body
          if (dryRun) return { matching: await count(deadLetters({ nats }, which)), [done]: 0 }
          const settled = await settleDeadLetters(actingFor(request), action, which)
          return { matching: settled, [done]: settled }
        })

      const Pause = Type.Object({ minutes: Type.Integer({ minimum: 1, maximum: 1_440 }) })
      app.post('/consumers/:consumer/pause', { schema: { params: Consumer, body: Pause } }, (request) =>
        pauseConsumer(actingFor(request), request.params.consumer, request.body.minutes),
      )
      app.post('/consumers/:consumer/resume', { schema: { params: Consumer } }, (request) =>
        resumeConsumer(actingFor(request), request.params.consumer),
      )
      app.get('/outbox', () => longestWaiting({ db, nats }))
      app.get('/actions', async (request) => ({ data: await actingFor(request).actions.list() }))
    },
    { prefix: '/operator' },
  )
}

const shownLetters = 1_000
/** All are counted. */
const shownDifferences = 1_000

/** Neither a refusal nor an error of a library. */
const isOwn = (error: Error): boolean =>
  error instanceof ForeignWriteDatabase || (Object.getPrototypeOf(error) === Error.prototype && !('code' in error))

function knownShape(name: string): Shape {
  const shape = shapeNamed(name)
  if (!shape) throw new Refusal('operation-refused', { detail: `there is no read model of ${name}` })
  return shape
}

/** Lets long work go on after the answer, unless it fails within a second. */
async function started(work: Promise<unknown>, request: FastifyRequest): Promise<void> {
  const soon = new Promise((resolve) => setTimeout(resolve, 1_000))
  await Promise.race([work, soon])
  work.catch((error) => request.log.error({ err: error, ...aboutRequest(request) }, 'an operation failed'))
}

async function* asEvents(states: AsyncIterable<object>): AsyncGenerator<string> {
  for await (const state of states) yield `data: ${JSON.stringify(state)}\n\n`
}

async function count(items: AsyncIterable<unknown>): Promise<number> {
  let found = 0
  for await (const _ of items) found++
  return found
}
