import type { Facts } from '../facts.ts'
import { type Content, type History, type Operation, shownBy } from '../history.ts'
import type { Violation } from './violation.ts'

/**
 * One version has one content, whoever answers it, and it is what its command asked for. A page shows only users that
 * belong on it, each once.
 */
export function* content(history: History, { contradictions, versionsOf }: Facts): Generator<Violation> {
  const told = new Set<string>()
  for (const { user, version, first, second, contents } of contradictions) {
    // Every later answer with the version contradicts as well.
    if (told.has(`${user} ${version}`)) continue
    told.add(`${user} ${version}`)
    const [one, other] = contents.map((number) => history.contents[number]) as [Content, Content]
    yield {
      ...{ rule: 'content', user },
      what: `version ${version} of ${history.users[user]} has two contents, ${differences(one, other)}`,
      operations: [first, second],
    }
  }
  // No command changes an address.
  const addresses = versionsOf.map((versions) => {
    const seen = versions.values().find(({ content }) => content > 0)
    return history.contents[seen?.content ?? 0]?.email
  })
  const lastShown = new Int32Array(history.users.length).fill(-1)
  for (const [i, operation] of history.operations.entries()) {
    if (!operation.isOk) continue
    const address = addresses[operation.user]
    if (operation.kind === 'login' && address && address !== operation.email)
      yield {
        ...{ rule: 'content', user: operation.user },
        what:
          `the login ${operation.id} of ${operation.email} answered ${history.users[operation.user]}, ` +
          `which has ${address}`,
        operations: [operation],
      }
    for (const shown of shownBy(history, operation)) {
      const name = history.users[shown.user]
      const what = history.contents[shown.content] as Content
      const about = { rule: 'content', user: shown.user }
      const wrong = (why: string): Violation => ({ ...about, what: why, operations: [operation] })
      if (lastShown[shown.user] === i) yield wrong(`the ${operation.kind} ${operation.id} shows ${name} twice`)
      lastShown[shown.user] = i
      if (operation.user >= 0 && operation.user !== shown.user)
        yield wrong(`the ${operation.kind} ${operation.id} of ${history.users[operation.user]} shows ${name}`)
      if (shown.content === 0) continue
      if (what.email !== addresses[shown.user] && !told.has(`${shown.user} ${shown.version}`)) {
        told.add(`${shown.user} ${shown.version}`)
        yield wrong(
          `the ${operation.kind} ${operation.id} shows ${name} with ${what.email}, ` +
            `which has ${addresses[shown.user]} elsewhere`,
        )
      }
      if (operation.role && !what.roles.split(' ').includes(operation.role))
        yield wrong(`a list of role ${operation.role} shows ${name}, which has ${what.roles} in that version`)
      const asked = askedBy(operation)
      if (asked && differences({ ...what, ...asked }, what))
        yield wrong(
          `the ${operation.kind} ${operation.id} answered other content than it asked for: ` +
            differences({ ...what, ...asked }, what),
        )
    }
  }
}

function askedBy({ kind, email, name, roles }: Operation): Partial<Content> | undefined {
  if (kind === 'register') return { email, name, roles, isActive: true }
  if (kind === 'change') return { name, roles }
  if (kind === 'activate' || kind === 'deactivate') return { isActive: kind === 'activate' }
  return undefined
}

function differences(one: Content, other: Content): string {
  const fields = (Object.keys(one) as (keyof Content)[]).filter((field) => one[field] !== other[field])
  return fields.map((field) => `${field} ${one[field]} and ${other[field]}`).join(', ')
}
