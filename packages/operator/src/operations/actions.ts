import { operatorActionsCollection } from '@cqrs/projector'
import type { Collection, Db } from 'mongodb'

/** Who acts: an administrator with the id of its user, or whoever runs the command line. */
export type Actor = { actor: string; actor_id?: string }

/** `unknown` while an action is running, and for ever if its process died. */
type Ending = { outcome: 'success' | 'failure' | 'unknown'; reason?: string }

/** Something that an operator did, with what it was done to. */
export type Action = Actor & Ending & { at: Date; action: string; [detail: string]: unknown }

/** What operators did: the last 1,000 actions, in the read database. */
export class OperatorActions {
  readonly #actions: Collection<Action>
  readonly #actor: Actor
  readonly #log: ((action: object) => void) | undefined

  /** @param log called with each action that has ended */
  constructor(db: Db, actor: Actor, log?: (action: object) => void) {
    this.#actions = db.collection(operatorActionsCollection.name)
    this.#actor = actor
    this.#log = log
  }

  /** Does something, and keeps who did it and how it ended. An action that cannot be kept is not done. */
  async record<Result>(action: string, details: object, work: () => Promise<Result>): Promise<Result> {
    const about = { ...this.#actor, action, ...details }
    const { insertedId: _id } = await this.#actions.insertOne({ ...about, outcome: 'unknown', at: new Date() })
    const ended = async (ending: Ending) => {
      this.#log?.({ ...about, ...ending })
      // What was done is done: if this cannot be stored, it stays unknown.
      await this.#actions.updateOne({ _id }, { $set: ending }).catch(() => undefined)
    }
    const result = await work().catch(async (error: Error) => {
      await ended({ outcome: 'failure', reason: error.message })
      throw error
    })
    await ended({ outcome: 'success' })
    return result
  }

  /** The newest first. */
  async list(): Promise<Omit<Action, '_id'>[]> {
    return this.#actions.find({}, { projection: { _id: 0 }, sort: { $natural: -1 } }).toArray()
  }
}
