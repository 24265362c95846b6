/** What these helpers need of tap's test object: the functions given to it run when the test has ended. */
export type Teardown = {
  teardown: (cleanUp: () => Promise<unknown>) => unknown
}

// A test that takes too long is ended by a signal, and then only the 'exit' event ends its servers.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1))
}
