import type { ProblemCode } from '@cqrs/contracts'
import { type Operation, refusal } from './operation.ts'
import type { OpenApi } from './service.ts'

/** One description of what the gateway answers: all services' operations, and that a service behind it can be away. */
export function merged([first, ...others]: [OpenApi, ...OpenApi[]]): OpenApi {
  const all = [first, ...others]
  const paths: OpenApi['paths'] = {}
  for (const [path, item] of all.flatMap((document) => Object.entries(document.paths)))
    paths[path] = { ...paths[path], ...structuredClone(item) }
  for (const operation of Object.values(paths).flatMap((item) => Object.values(item)))
    operation.responses['503'] = refusal(503, [...codesOf(operation, '503'), 'upstream-unavailable'])
  return {
    ...first,
    info: {
      ...first.info,
      title: 'CQRS user service',
      description:
        'Users that register, log in, change and go. Commands change them; queries read a model that follows a moment later.',
    },
    tags: all.flatMap(({ tags }) => tags),
    paths,
    components: {
      ...first.components,
      schemas: Object.assign({}, ...all.map(({ components }) => components.schemas)),
    },
  }
}

const codesOf = ({ responses }: Operation, status: string): ProblemCode[] =>
  Object.keys(responses[status]?.content?.['application/problem+json']?.examples ?? {}) as ProblemCode[]
