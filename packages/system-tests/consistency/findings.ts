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
export const findings: readonly Finding[] = [
  {
    what: `When all brokers came back with older stores, NATS sometimes left the stream or a consumer without a leader
      for good. Events reached no read model, and \`/readyz\` did not say which consumer.`,
    mend: `An operator lets the [brokers that do not agree](restore.md#brokers-that-do-not-agree) begin with nothing;
      \`/readyz\` and \`status\` name the consumer and the reason.`,
    test: 'packages/operator/test/operator-changes.test.ts',
    commit: 'df8e678',
  },
]
