import type { ProblemCode } from '@cqrs/contracts'
import type { RouteOptions } from 'fastify'

/** What the API description tells of a route beside its schemas. It stands in the route's `config`. */
export type RouteDescription = {
  /** The operation in a few words. */
  summary?: string
  /** What its users should know besides. */
  description?: string
  /** Headers of the answer, by their names in the description's table. */
  headers?: readonly string[]
  /** What this route can refuse with, beside what `problemsOf` adds to each. */
  problems?: readonly ProblemCode[]
}

declare module 'fastify' {
  interface FastifyContextConfig extends RouteDescription {}
  interface FastifyInstance {
    /** Every route, in the order of registration: what the API description is made from. */
    describedRoutes: RouteOptions[]
  }
}

/** Marks a hook with what it refuses with, so that every route which has the hook is described so. */
export const refusing = <Hook extends object>(problems: readonly ProblemCode[], hook: Hook) =>
  Object.assign(hook, { problems })

/** Every code that a route can answer: what the server itself refuses, what its hooks do, and what it declares. */
export function problemsOf({ schema, config, ...route }: RouteOptions): ProblemCode[] {
  // A body that is not asked for is read all the same, but with GET and HEAD.
  const readsBody = schema?.body !== undefined || route.method !== 'GET'
  const hooks = [route.onRequest, route.preParsing, route.preValidation, route.preHandler].flat()
  const ofHooks = hooks.flatMap((hook) => (hook as { problems?: ProblemCode[] } | undefined)?.problems ?? [])
  const takesInput = schema?.body ?? schema?.params ?? schema?.querystring ?? schema?.headers
  return [
    ...new Set([
      ...ofServer,
      ...(readsBody ? ofBodies : []),
      ...(takesInput ? (['validation-failed'] as const) : []),
      ...ofHooks,
      ...(config?.problems ?? []),
    ]),
  ]
}

const ofServer = ['malformed-request', 'request-timeout', 'headers-too-large', 'internal', 'overloaded'] as const
const ofBodies = ['malformed-json', 'body-too-large', 'unsupported-media-type'] as const

/** What the server refuses with on any route; the route itself has no part in it. */
export const problemsOfServer: readonly ProblemCode[] = [...ofServer, ...ofBodies]
