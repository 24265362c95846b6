/** A fault of the system that histories showed. */
export type Finding = {
  /** What was wrong, for whom. */
  what: string
  mend: string
  /** The file of the test that fails without the mend, from the root of the repository. */
  test: string
  /** The commit that mends it. */
  commit?: string
  /** The recorded histories whose violations it explains. */
  histories?: { seed: number; commit: string }[]
}

/** What was found on the way, by hand, in the order in which it was found. docs/consistency.md lists it. */
export const findings: readonly Finding[] = []
