import type { Operation } from './history.ts'

/** Something that happened at one moment between `begin` and `end`, or may have (`end` is then Infinity). */
export type Item = {
  begin: number
  end: number
  /** What shows it. */
  operation: Operation
}

/** A sequential object. States are never changed in place. */
export type Model<State, Step extends Item> = {
  initial: State
  /**
   * @returns the next state, undefined if it cannot happen in this one. The same state says that the item has no effect
   * now, nor in any state that can follow.
   */
  next(state: State, item: Step): State | undefined
  /** Equal for equal states. */
  keyOf(state: State): string
  /** Equal for items with the same effect: of two that may have happened, the earlier one is as good. */
  effectOf(item: Step): string
}

export type Verdict<State, Step> =
  | { isFound: true }
  | { isFound: false; isCutOff: true }
  /** The farthest that any order came: its state, what came last, and what could have been next and cannot. */
  | { isFound: false; isCutOff: false; state: State; last: Step[]; stuck: Step[] }

/**
 * Looks for an order in which the model explains everything: of two items of which one ended before the other began,
 * the first comes first. `certain` must all happen, each of `possible` at most once. This is the search of Wing and
 * Gong with the memory of Lowe: a set of items that leads to a state is tried once.
 * @param limit configurations that lead nowhere, after which it gives up
 */
export function search<State extends number | object, Step extends Item>(
  model: Model<State, Step>,
  certain: Step[],
  possible: Step[],
  limit: number,
): Verdict<State, Step> {
  const items = certain.toSorted((a, b) => a.begin - b.begin)
  const isPlaced = new Uint8Array(items.length)
  const groups = Object.values(Object.groupBy(possible, (item) => model.effectOf(item))) as Step[][]
  for (const group of groups) group.sort((a, b) => a.begin - b.begin)
  const used = groups.map(() => 0)
  const deadEnds = new Set<string>()
  const path: Frame<State, Step>[] = []
  let first = 0
  let placed = 0
  let farthest = -1
  let deepest: { state: State; last: Step[]; stuck: Step[] } | undefined

  /** What can be next in this state. What has no effect is placed at once: later it would have none either. */
  const choicesIn = (state: State): Choice<State, Step>[] => {
    let minEnd = Number.POSITIVE_INFINITY
    const open: number[] = []
    for (let i = first; i < items.length; i++) {
      const { begin, end } = items[i] as Step
      if (begin > minEnd) break
      if (isPlaced[i]) continue
      open.push(i)
      if (end < minEnd) minEnd = end
    }
    const choices: Choice<State, Step>[] = []
    for (const i of open) {
      const item = items[i] as Step
      const next = model.next(state, item)
      if (next === state) return [{ item, next, place: i }]
      if (next !== undefined) choices.push({ item, next, place: i })
    }
    for (const [g, group] of groups.entries()) {
      const item = group[used[g] as number]
      if (!item || item.begin > minEnd) continue
      const next = model.next(state, item)
      if (next !== undefined && next !== state) choices.push({ item, next, place: -1 - g })
    }
    if (placed > farthest && choices.length === 0) {
      farthest = placed
      const stuck = open.map((i) => items[i] as Step)
      deepest = { state, last: path.slice(-3).flatMap(({ chosen }) => (chosen ? [chosen.item] : [])), stuck }
    }
    return choices
  }
  const keyOf = (state: State): string => {
    let key = `${model.keyOf(state)}|${used}|${first}`
    for (let i = first, ahead = placed - first; ahead > 0; i++) {
      if (!isPlaced[i]) continue
      key += `,${i}`
      ahead--
    }
    return key
  }
  const enter = (state: State): void => {
    const isKnown = deadEnds.size > 0 && deadEnds.has(keyOf(state))
    path.push({ state, choices: isKnown ? [] : choicesIn(state), tried: 0, chosen: undefined, first, isKnown })
  }

  enter(model.initial)
  for (;;) {
    if (placed === items.length) return { isFound: true }
    const frame = path.at(-1) as Frame<State, Step>
    const choice = frame.choices[frame.tried++]
    if (choice) {
      frame.chosen = choice
      if (choice.place >= 0) {
        isPlaced[choice.place] = 1
        placed++
        while (isPlaced[first]) first++
      } else used[-1 - choice.place] = (used[-1 - choice.place] as number) + 1
      enter(choice.next)
      continue
    }
    if (!frame.isKnown) deadEnds.add(keyOf(frame.state))
    path.pop()
    const before = path.at(-1)
    if (!before) return { isFound: false, isCutOff: false, ...(deepest as NonNullable<typeof deepest>) }
    if (deadEnds.size > limit) return { isFound: false, isCutOff: true }
    const { place } = before.chosen as Choice<State, Step>
    first = before.first
    if (place >= 0) {
      isPlaced[place] = 0
      placed--
    } else used[-1 - place] = (used[-1 - place] as number) - 1
  }
}

/** `place` is the item's place among the certain ones, or -1 minus that of its group. */
type Choice<State, Step> = { item: Step; next: State; place: number }

type Frame<State, Step> = {
  state: State
  choices: Choice<State, Step>[]
  tried: number
  chosen: Choice<State, Step> | undefined
  first: number
  isKnown: boolean
}
