import { type ProblemCode, problems } from '@cqrs/contracts'
import type { RouteOptions } from 'fastify'

/** What the API description says about a route besides its schemas: part of the route's `config`. */
export type RouteDescription = {
  /** The operation in a few words. */
  summary?: string
  /** What else a client should know. */
  description?: string
  /** Response headers, by their names in the table of the API description. */
  headers?: readonly string[]
  /** The route's own problems, besides those that `problemsOf` adds. */
  problems?: readonly ProblemCode[]
}

declare module 'fastify' {
  interface FastifyContextConfig extends RouteDescription {}
  interface FastifyInstance {
    /** Every route, in order of registration; the API description is generated from it. */
    describedRoutes: RouteOptions[]
  }
}

/** Marks a hook with its problems, so that the description of every route with this hook lists them. */
export const refusing = <Hook extends object>(problems: readonly ProblemCode[], hook: Hook) =>
  Object.assign(hook, { problems })

/** Every problem that a route can answer: those of the server, of the route's hooks, and of the route itself. */
export function problemsOf({ schema, config, ...route }: RouteOptions): ProblemCode[] {
  // Fastify parses a body even where the route has no schema for it, except for GET and HEAD.
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

/** The documented statuses of a route, but for those that are answered before a request reaches one. */
export const statusesOf = (route: RouteOptions): number[] =>
  [
    ...Object.keys(Object(route.schema?.response)).map(Number),
    ...problemsOf(route).map((code) => problems[code][0]),
  ].filter((status) => status !== 408 && status !== 431)

const ofServer = ['malformed-request', 'request-timeout', 'headers-too-large', 'internal', 'overloaded'] as const
const ofBodies = ['malformed-json', 'body-too-large', 'unsupported-media-type'] as const

/** What the server refuses with on any route; the route itself has no part in it. */
export const problemsOfServer: readonly ProblemCode[] = [...ofServer, ...ofBodies]
