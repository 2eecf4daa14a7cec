import { nodesOf } from '#engine/cell/heads.ts'
import { adopt, refusals, release, take } from '#engine/cell/take.ts'
import { allNodesOf, areKept } from '#engine/queue/reservation.ts'

import { Domains, type Domain } from './domains.ts'

import type { Ask } from '#engine/cell/ask.ts'
import type { Held, Way } from '#engine/queue/request.ts'
import type { Candidate } from './candidates.ts'

export type Search = {
  /** How the one who asks would start. */
  way: Way
  /** What it asks for on a fresh copy of its cell, where all is closed that is kept from it. */
  begin: () => Ask
  /** What somebody asks for on that copy. */
  again: (way: Way) => Ask
  /** Those who may have to leave, here or in any cell, the least loss first, from the first one on. */
  order: (where: 'here' | 'anywhere') => () => Candidate | null
  /** Whether somebody may have to leave after those who did. */
  mayLeave: (candidate: Candidate) => boolean
  /** Counts somebody out of the quotas, or in again. */
  leave: (candidate: Candidate) => void
  stay: (candidate: Candidate) => void
  /** Whether there is quota for it without those who left, and the right to make them leave. */
  isRight: () => boolean
  /** Whether those who left have room elsewhere, once it has its own on this copy; when absent they need none. */
  haveRoom?: ((victims: readonly Held[]) => boolean) | undefined
  /** No more than so many may leave. */
  most: number
}

/** Whole gangs that leave, and the nodes that the one for whom they leave has then. */
export type Eviction = { way: Way; victims: readonly Candidate[]; nodes: number[]; loss: number }

/** Domains that are tried, and how many are taken off copies in all of them: to look for victims takes no longer than that. */
const domainsAtMost = 8
const triedAtMost = 100_000

/**
 * Who has to leave so that a gang can start at once. In each domain that may hold it, those with the least loss are taken
 * off a copy of the cell until it has room, and of the quotas until it has quota; then whoever turns out not to be needed
 * stays, the largest loss first. Of the domains the one with the least loss in all is taken.
 *
 * So in no domain is there a way that spares the dearest victim without a dearer one, nobody is preempted without need,
 * and all that is lost is at most so many times the least possible as there are victims (where not more domains and
 * candidates come into question than are looked at). To find the least would be a covering problem. Each candidate is taken
 * off once, put back once at the most, and each time one question is asked: the work grows with those who leave.
 */
export function findVictims(search: Search): Eviction | null {
  const { way, begin, order, most } = search
  const ask = begin()
  const budget = { left: triedAtMost }
  const now = take(ask.cell, ask)
  if (now === refusals.tooLarge) return null
  if (now >= 0) return new Trial(search, budget).find(null)
  const [free, kept] = [ask.cell.free.slice(), areKept(ask.cell)]
  const domains = new Domains({ cell: way.site, free, kept, ask: way.ask, most: domainsAtMost, next: order('here') })
  let best: Eviction | null = null
  for (const domain of domains.best()) {
    if (domain.enough > most || budget.left <= 0) continue
    const found = new Trial(search, budget).find({ domain, domains })
    if (found && (!best || found.loss < best.loss)) best = found
  }
  return best
}

/** A copy of a cell, and the quotas, without some who run. */
class Trial {
  readonly #search: Search
  readonly #budget: { left: number }
  readonly #ask: Ask
  readonly #gone = new Set<Held>()

  constructor(search: Search, budget: { left: number }) {
    this.#search = search
    this.#budget = budget
    this.#ask = search.begin()
  }

  /** Lets some leave until there is room and quota; then whoever is not needed stays. The quotas are as before. */
  find(place: Place | null): Eviction | null {
    const { way, stay } = this.#search
    const chosen: Candidate[] = []
    const isEnough = this.#makeRoom(place, chosen) && this.#makeRight(chosen)
    const kept = isEnough ? this.#needed(chosen) : chosen
    const gang = isEnough && kept.length > 0 ? this.#take(kept) : refusals.full
    for (const one of kept) stay(one)
    if (gang < 0) return null
    const loss = kept.reduce((sum, one) => sum + one.loss, 0)
    return { way, victims: kept, nodes: allNodesOf(this.#ask.cell, gang, way), loss }
  }

  #makeRoom(place: Place | null, chosen: Candidate[]): boolean {
    const { mayLeave, most } = this.#search
    let gang: number = place ? refusals.full : take(this.#ask.cell, this.#ask)
    for (let at = 0; gang < 0 && chosen.length < most && this.#budget.left > 0; at++) {
      const candidate = place?.domains.candidate(place.domain, at)
      if (!place || !candidate) break
      this.#budget.left--
      if (!mayLeave(candidate)) continue
      this.#leave(candidate, chosen)
      if (at + 1 >= place.domain.enough) gang = take(this.#ask.cell, this.#ask)
    }
    if (gang >= 0) release(this.#ask.cell, gang)
    return gang >= 0
  }

  #makeRight(chosen: Candidate[]): boolean {
    const { order, isRight, mayLeave, most } = this.#search
    if (isRight()) return true
    const next = order('anywhere')
    for (let one = next(); one && chosen.length < most && this.#budget.left > 0; one = next()) {
      this.#budget.left--
      if (this.#gone.has(one.held) || !mayLeave(one)) continue
      this.#leave(one, chosen)
      if (isRight()) return true
    }
    return false
  }

  /** Those of them who are needed; the others stay, the largest loss first. */
  #needed(chosen: readonly Candidate[]): Candidate[] {
    const { way, again, leave, stay, isRight } = this.#search
    const { cell } = this.#ask
    for (const one of chosen.toSorted((a, b) => b.loss - a.loss)) {
      const { held } = one
      const isHere = held.way.cell === way.cell
      stay(one)
      this.#gone.delete(held)
      if (isRight()) {
        const number = isHere ? adopt(cell, again(held.way), nodesOf(way.site, held.gang)) : 0
        const gang = this.#take(this.#gone)
        if (gang >= 0) release(cell, gang)
        if (gang >= 0) continue
        if (isHere) release(cell, number)
      }
      leave(one)
      this.#gone.add(held)
    }
    return chosen.filter(({ held }) => this.#gone.has(held))
  }

  #leave(candidate: Candidate, chosen: Candidate[]): void {
    const { held } = candidate
    chosen.push(candidate)
    this.#gone.add(held)
    this.#search.leave(candidate)
    if (held.way.cell === this.#search.way.cell) release(this.#ask.cell, held.gang)
  }

  /** Takes its nodes on the copy, where those who left have room elsewhere. */
  #take(victims: Iterable<Candidate | Held>): number {
    const { haveRoom } = this.#search
    const gang = take(this.#ask.cell, this.#ask)
    const held = haveRoom && gang >= 0 ? Array.from(victims, (one) => ('held' in one ? one.held : one)) : []
    if (gang < 0 || !haveRoom || haveRoom(held)) return gang
    release(this.#ask.cell, gang)
    return refusals.full
  }
}

type Place = { domain: Domain; domains: Domains }
