/** How to run a MongoDB server: `command`, then `args`, then the options of `mongod`. */
export type Mongod = {
  command: string
  args: readonly string[]
  env: NodeJS.ProcessEnv
  /** Which server this is, in one line for the log. */
  description: string
}

/** A place from which a server may come. `find` fails with the reason why it has none. */
export type MongodSource = {
  name: string
  find: (log: Log) => Promise<Mongod>
}

export type Log = (line: string) => void
