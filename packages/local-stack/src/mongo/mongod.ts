import type { Source } from '../first-found.ts'

/** How to run a MongoDB server: `command`, then `args`, then the options of `mongod`. */
export type Mongod = {
  command: string
  args: readonly string[]
  env: NodeJS.ProcessEnv
  /**
   * The same server for a host of its own, with files in this directory: the Windows build needs a wineserver on each
   * host, because that process makes the sockets.
   */
  apart?: (directory: string) => Promise<Mongod>
  /** Which server this is, in one line for the log. */
  description: string
}

export type MongodSource = Source<Mongod>
