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
  {
    what: `After the same, a broker that lacked the latest events led two consumers for two minutes. They delivered none
      and reported that none waits, counted in that broker's copy of the stream. So a read model was not whole 120 s
      after the faults; \`/readyz\` said that all is well, and command-api could have let events leave the stream that
      nobody had handled. NATS mended it by itself, and nothing was lost.`,
    mend: `Projector, command-api and operator ask the stream for the next event of a consumer: events stay until they
      are handled, and the projector lets another broker lead such a consumer within 10 s. Until then \`events\` is down
      in \`/readyz\` and names it.`,
    test: 'services/projector/test/service.test.ts',
    commit: '717be1d',
    histories: [{ seed: 6012, commit: '7d2e8ba' }],
  },
]
