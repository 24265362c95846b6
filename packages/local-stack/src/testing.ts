// Not only for its type: it ends the servers of a test that is ended by a signal.
import './testing/teardown.ts'

export { eventually } from './eventually.ts'
export { referencePolicy } from './gateway/reference.ts'
export { freePort } from './ports.ts'
export { type Answer, descriptionOf } from './testing/description.ts'
export { type FreshDatabase, freshDatabase } from './testing/fresh-database.ts'
export { freshDirectory } from './testing/fresh-directory.ts'
export { type FreshMail, freshMail, type ReceivedMail } from './testing/fresh-mail.ts'
export { type FreshNats, freshNats } from './testing/fresh-nats.ts'
export { type FreshRedis, freshRedis } from './testing/fresh-redis.ts'
export { routingCases, unusualPaths } from './testing/routing-cases.ts'
export type { Teardown } from './testing/teardown.ts'
