import { randomUUIDv7 } from 'node:crypto'
import { isMailbox, normaliseEmail, normaliseName, Refusal, RegisterUser, routes, UserAnswer } from '@cqrs/contracts'
import { type HttpServer, sourceOf } from '@cqrs/service-kit'
import { refuseGranting } from '../domain/permissions.ts'
import { register, type User } from '../domain/user.ts'
import { answerOf, headersOf } from '../http/answers.ts'
import { contextOf } from '../http/context.ts'
import { doneOf, IdempotencyHeaders, replayed } from '../http/idempotency.ts'
import { limited } from '../http/limited.ts'
import type { Done } from '../store/user-document.ts'
import type { Dependencies } from './dependencies.ts'

/** POST /api/v1/auth/register: 201 with the user. The read model follows later. */
export function registerUser(app: HttpServer, { users, relay, passwords, limits, audit }: Dependencies): void {
  app.post(
    routes.registerUser.path,
    {
      config: {
        summary: 'Register a user',
        headers: ['Location', 'ETag', 'Consistency-Token', 'Idempotency-Replayed'],
        problems: [
          'role-not-allowed',
          'password-too-common',
          'email-taken',
          'idempotency-key-reused',
          'storage-unavailable',
        ],
      },
      onRequest: limited('register', { limits }),
      schema: { headers: IdempotencyHeaders, body: RegisterUser, response: { 201: UserAnswer } },
    },
    async (request, reply) => {
      const { roles, password } = request.body
      const email = normaliseEmail(request.body.email)
      const name = normaliseName(request.body.name)
      if (!isMailbox(email)) throw new Refusal('validation-failed', { errors: [noMailbox] })
      refuseGranting(roles) // before the hash, which is the expensive part
      const body = { email, password, name, roles }
      const done = await doneOf(request.headers, ['register', email], [name, roles], users)
      const replay = async () => done && registeredBefore(done, body, { users, passwords })
      const registerOnce = async () => {
        const before = await replay()
        if (before) return { user: before, isReplay: true }
        const passwordHash = await passwords.hash(body.password, body)
        const change = register(randomUUIDv7(), body, passwordHash, contextOf(request))
        try {
          await users.insert(change, done)
        } catch (error) {
          // A concurrent request with the same key may have been first: replay its answer.
          const first = error instanceof Refusal && (await replay())
          if (!first) throw error
          return { user: first, isReplay: true }
        }
        relay.publish(users.written(change.event))
        audit({ action: 'register', outcome: 'success', user_id: change.state.id, roles }, request)
        return { user: change.state, isReplay: false }
      }
      const { user, isReplay } = await passwords.admit(sourceOf(request), registerOnce)
      return reply
        .status(201)
        .headers({ location: `/api/v1/users/${user.id}`, ...headersOf(user), ...(isReplay && replayed) })
        .send(answerOf(user))
    },
  )
}

const noMailbox = { pointer: '#/body/email', detail: 'must be an e-mail address' }

/**
 * The user as it was when it was registered with this key, if it was. The record holds no password, so that is compared
 * with the user's hash.
 * @throws Refusal `idempotency-key-reused`
 */
async function registeredBefore(
  done: Done,
  { name, roles, password }: RegisterUser,
  { users, passwords }: Pick<Dependencies, 'users' | 'passwords'>,
): Promise<User | undefined> {
  const user = await users.findRegistered(done)
  if (!user) return undefined
  if (!(await passwords.verify(user.passwordHash, password))) throw new Refusal('idempotency-key-reused')
  return { ...user, name, roles, isActive: true, version: 1, updatedAt: user.createdAt }
}
