import { readFileSync } from 'node:fs'
import { type ProblemCode, problems } from '@cqrs/contracts'
import { type OpenApi, readDescription, readSeen } from '@cqrs/local-stack/testing'
import { problemsOfServer } from '@cqrs/service-kit'

type AsyncApi = { components: { messages: object } }
type Promises = { api?: OpenApi; events?: AsyncApi; codes?: object; exceptions?: Record<string, string> }

/** Promises that no test can see, each with its reason. The names are those that `unseen` gives. */
const exceptions: Record<string, string> = {}

/**
 * Compares what the tests have seen with what the descriptions in docs/ promise. Each of these has to be seen:
 * - each successful status of an operation, for example `getUser 200`;
 * - each problem code that the route or one of its hooks refuses with, on that operation: `getUser 404 user-not-found`;
 * - each problem code of contracts, on any operation: `problem internal`. This suffices for codes with which the server
 *   or the gateway refuses any operation;
 * - each type of event, as command-api publishes it and as a projection applies it: `event UserCreated published`.
 *
 * Returns one line for each promise that no test has seen, and for each exception that is not needed.
 */
export function unseen(seen: ReadonlySet<string>, promises: Promises = {}): string[] {
  const allowed = promises.exceptions ?? exceptions
  const promised = namesOf(promises)
  return [
    ...promised.filter((name) => !seen.has(name) && !allowed[name]).map((name) => `no test has seen: ${name}`),
    ...Object.keys(allowed)
      .filter((name) => seen.has(name) || !promised.includes(name))
      .map((name) => `an exception that is not needed: ${name}`),
  ]
}

function namesOf({ api = readDescription(), events = readEvents(), codes = problems }: Promises): string[] {
  const operations = Object.values(api.paths).flatMap((item) => Object.values(item))
  return [
    ...operations.flatMap(({ operationId, responses }) =>
      Object.entries(responses).flatMap(([status, { content }]) => {
        const refusals = content?.['application/problem+json']?.schema.allOf ?? []
        if (refusals.length === 0) return [`${operationId} ${status}`]
        return refusals
          .flatMap(({ properties }) => properties?.code?.enum ?? [])
          .filter((code) => !ofAnyOperation.has(code))
          .map((code) => `${operationId} ${status} ${code}`)
      }),
    ),
    ...Object.keys(codes).map((code) => `problem ${code}`),
    ...Object.keys(events.components.messages).flatMap((type) => [`event ${type} published`, `event ${type} applied`]),
  ]
}

const ofAnyOperation = new Set<ProblemCode>([...problemsOfServer, 'upstream-unavailable'])

const readEvents = (): AsyncApi =>
  JSON.parse(readFileSync(new URL('../../docs/asyncapi.json', import.meta.url), 'utf8'))

// `node nothing-untested.ts DIRECTORY` prints the lines for what the tests have recorded in this directory.
if (import.meta.main) for (const line of unseen(readSeen(process.argv[2] ?? ''))) console.log(line)
