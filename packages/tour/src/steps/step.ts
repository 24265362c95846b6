import type { People } from '../people.ts'
import type { System } from '../system.ts'

export type Tour = {
  system: System
  people: People
  /** How many commands a step sends at most. */
  commands: number
}

export type Step = {
  title: string
  /** What happens, in two sentences. */
  about: string
  /** The document that explains it. */
  document: string
  /** The pages that show it. */
  pages: (system: System) => string[]
  /** Shows it. What it stops continues, and what it breaks is mended, however it ends. @returns what was seen */
  run: (tour: Tour) => Promise<string>
}
