import type { DemandClass, Market } from './aggregate.ts'
import { roomLeft, type RoomLeft } from './room-left.ts'

/** A class while its gangs are moved: how many each choice has, and how many have none (the choice -1). */
type Placing = DemandClass & { index: number; counts: number[]; waiting: number; allowed: readonly number[] }

/** Moves that are tried before the search ends, so that its time is bounded on the largest markets. */
const patience = 2_000_000

const cost = ({ choices, unmetMicros }: DemandClass, choice: number): number =>
  choices[choice]?.costMicros ?? unmetMicros

/**
 * Moves whole gangs while that makes all together cheaper: one alone, or one in place of others that go elsewhere.
 * `gangs` of each class and choice must keep every limit, and so do those that come out. Deterministic.
 */
export function improve(market: Market, gangs: readonly (readonly number[])[]): number[][] {
  const room = roomLeft(market)
  const classes = market.classes.map((demand, index): Placing => {
    const counts = demand.choices.map(() => 0)
    const allowed = [...demand.choices.keys()]
      .filter((choice) => demand.choices[choice]?.barredBy === undefined)
      .sort((one, other) => cost(demand, one) - cost(demand, other) || one - other)
    return { ...demand, index, counts, waiting: demand.gangs, allowed }
  })
  const moves = mover(room)
  for (const one of classes)
    for (const [choice, count] of (gangs[one.index] ?? []).entries()) moves.put(one, { from: -1, to: choice }, count)
  search({ classes, room, moves })
  return classes.map(({ counts }) => counts)
}

/** Moves gangs and keeps the counts; `undo` takes back the moves that were made since `mark`. */
function mover({ take }: RoomLeft) {
  const made: { one: Placing; from: number; to: number; gangs: number }[] = []
  const count = (one: Placing, choice: number, gangs: number): void => {
    if (choice < 0) one.waiting += gangs
    else {
      one.counts[choice] = (one.counts[choice] ?? 0) + gangs
      take(one.index, choice, gangs)
    }
  }
  return {
    put(one: Placing, { from, to }: { from: number; to: number }, gangs = 1): void {
      count(one, from, -gangs)
      count(one, to, gangs)
      made.push({ one, from, to, gangs })
    },
    mark: () => made.length,
    undo(mark: number): void {
      for (const { one, from, to, gangs } of made.splice(mark).toReversed()) {
        count(one, to, -gangs)
        count(one, from, gangs)
      }
    },
  }
}

type Search = { classes: readonly Placing[]; room: RoomLeft; moves: ReturnType<typeof mover> }

function search({ classes, room, moves: { put, mark, undo } }: Search): void {
  const users = new Map<number, { one: Placing; choice: number }[]>()
  for (const one of classes)
    for (const choice of one.allowed)
      for (const limit of room.limits(one.index, choice)) {
        const list = users.get(limit) ?? []
        if (list.push({ one, choice }) === 1) users.set(limit, list)
      }
  let tries = patience

  /** The cheapest other choice of a gang, if it costs less than `most`. */
  function wayOut(one: Placing, choice: number, most: number): { to: number; more: number } | undefined {
    let best: { to: number; more: number } | undefined
    for (const to of [...one.allowed, -1]) {
      const more = cost(one, to) - cost(one, choice)
      tries -= 1
      if (to !== choice && more < (best?.more ?? most) && (to < 0 || room.fits(one.index, to))) best = { to, more }
    }
    return best
  }

  /** Moves a gang to a choice that is full, if those who must leave for it lose less than it gains. */
  function displace(one: Placing, from: number, to: number): boolean {
    const start = mark()
    put(one, { from, to: -1 })
    let left = cost(one, from) - cost(one, to)
    for (const limit of room.lacking(one.index, to))
      for (const victim of users.get(limit) ?? [])
        while (room.lacking(one.index, to).includes(limit) && (victim.one.counts[victim.choice] ?? 0) > 0) {
          const out = victim.one === one && victim.choice === to ? undefined : wayOut(victim.one, victim.choice, left)
          if (!out) break
          put(victim.one, { from: victim.choice, to: out.to })
          left -= out.more
        }
    if (room.fits(one.index, to) && left > 0.5) {
      put(one, { from: -1, to })
      return true
    }
    undo(start)
    return false
  }

  function better(one: Placing, from: number): boolean {
    for (const to of one.allowed) {
      tries -= 1
      if (cost(one, to) >= cost(one, from) - 0.5 || (from < 0 ? one.waiting : (one.counts[from] ?? 0)) === 0) continue
      if (displace(one, from, to)) return true
    }
    return false
  }

  for (let moved = true; moved && tries > 0;) {
    moved = false
    for (const one of classes)
      for (const from of [-1, ...one.allowed]) while (tries > 0 && better(one, from)) moved = true
  }
}
