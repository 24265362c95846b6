/** The operation, done once: all calls share its success. A failure is not kept, so the next call tries again. */
export function once<T>(operation: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined
  return () => {
    done ??= operation().catch((error) => {
      done = undefined
      throw error
    })
    return done
  }
}
