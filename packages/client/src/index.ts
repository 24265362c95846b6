export { NoAnswerError, type ProblemCode, ProblemError, UnexpectedAnswerError } from './errors.ts'
export type { Retries } from './repeat.ts'
export type { SessionStorage } from './session.ts'
export {
  type CallOptions,
  type ChangeOptions,
  type ClientOptions,
  type DirectoryFilter,
  type OnceOptions,
  type Role,
  type User,
  UserClient,
  type UserFilter,
  type UserPage,
  type UserReadModel,
  type UserStats,
} from './user-client.ts'
