/** Pseudo-random numbers (mulberry32), the same for the same seed, so that a run can be repeated. */
export function randomFrom(seed: number) {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  return {
    /** An integer from `low` to `high`, inclusive. */
    between,
    oneOf: <Item>(items: readonly Item[]): Item => items[Math.floor(next() * items.length)] as Item,
    /** The items in random order. */
    shuffled: <Item>(items: readonly Item[]): Item[] => {
      const shuffled = [...items]
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = between(0, i)
        ;[shuffled[i], shuffled[j]] = [shuffled[j] as Item, shuffled[i] as Item]
      }
      return shuffled
    },
    chance: (probability: number): boolean => next() < probability,
  }
}

export type Random = ReturnType<typeof randomFrom>
