/** The part of tap's test object that these helpers use: `cleanUp` runs when the test has ended. */
export type Teardown = {
  teardown: (cleanUp: () => Promise<unknown>) => unknown
}

// tap ends a test that times out by a signal; its servers are stopped by the 'exit' event.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1))
}
