import { randomUUID } from 'node:crypto'
import type { Random } from '../faults/random.ts'

/** Somebody whom clients know: what they need for their next request, not what is true. */
export type Person = {
  id: string
  email: string
  /** Those that may be the right one: of changes without an answer nobody knows. */
  passwords: string[]
  /** The highest version that an answer had. */
  version: number
}

/** `from`: when it began, in milliseconds of this process. */
export type Session = { person: Person; access: string; refresh: string; from: number }

/** What all clients share: addresses that are registered again and again, and who has them now. */
export class People {
  /** Everybody that an answer named, living or not, by id. */
  readonly known = new Map<string, Person>()
  /** Those that were there before, whom clients leave alone. */
  readonly others = new Set<string>()
  /** Whose each name is or was, to search the stores for what is left of the deleted. */
  readonly names = new Map<string, string>()
  /** Shared by all clients, with a place for each of the contended addresses. */
  readonly #places: (Person | undefined)[]
  readonly #unplaced: Person[] = []
  readonly #random: Random
  readonly #domain: string
  /** The address that was registered last, and when. */
  #last = { email: '', at: 0 }

  /** @param places addresses that clients contend for @param domain of the addresses of this run */
  constructor({ places, random, domain }: { places: number; random: Random; domain: string }) {
    this.#places = Array(places).fill(undefined)
    this.#random = random
    this.#domain = domain
  }

  get living(): Person[] {
    return [...this.#places.filter((person) => person !== undefined), ...this.#unplaced]
  }

  /** One of the living; a few of them much more often than the others. */
  anybody(): Person | undefined {
    const { living } = this
    const few = living.slice(0, 5)
    if (living.length === 0) return undefined
    return this.#random.oneOf(this.#random.chance(0.2) ? few.slice(0, 1) : this.#random.chance(0.3) ? few : living)
  }

  /** One that was deleted. */
  gone(): Person | undefined {
    const { living } = this
    const gone = [...this.known.values()].filter((person) => !living.includes(person))
    return gone.length === 0 ? undefined : this.#random.oneOf(gone)
  }

  /**
   * An address to register: mostly one that nobody has, sometimes one that is taken, or that another client registers
   * at this moment, sometimes a new one.
   */
  address(): string {
    const now = performance.now()
    if (now - this.#last.at < 300 && this.#random.chance(0.5)) return this.#last.email
    this.#last = { email: this.#someAddress(), at: now }
    return this.#last.email
  }

  #someAddress(): string {
    const vacant = this.#places.flatMap((person, place) => (person ? [] : place))
    if (vacant.length > 0 && this.#random.chance(0.8)) return this.#addressOf(this.#random.oneOf(vacant))
    if (this.#random.chance(0.3)) return this.#addressOf(this.#random.between(0, this.#places.length - 1))
    return `${randomUUID()}@${this.#domain}`
  }

  /** Takes up somebody whom an answer named for the first time, or whose password is known now. */
  born(person: Person): Person {
    const known = this.known.get(person.id)
    if (known) return Object.assign(known, person)
    this.known.set(person.id, person)
    const place = this.#places.findIndex((_, place) => this.#addressOf(place) === person.email)
    if (place >= 0) this.#places[place] = person
    else this.#unplaced.push(person)
    return person
  }

  /** Leaves somebody who was deleted, or may be. */
  left(person: Person): void {
    const place = this.#places.indexOf(person)
    if (place >= 0) this.#places[place] = undefined
    const other = this.#unplaced.indexOf(person)
    if (other >= 0) this.#unplaced.splice(other, 1)
  }

  #addressOf = (place: number): string => `place-${place}@${this.#domain}`
}
