import { refusals, release, take } from '#engine/cell/take.ts'
import { allNodesOf } from '#engine/queue/reservation.ts'

import { domainsByLoss, type Candidate } from './domains.ts'

import type { Ask } from '#engine/cell/ask.ts'
import type { Way } from '#engine/queue/request.ts'

export type Search = {
  /** How the one who asks would start. */
  way: Way
  /** What it asks for on a fresh copy of its cell, where all is closed that is kept from it. */
  begin: () => Ask
  /** Those who may have to leave, in any cell, the least loss first. */
  candidates: readonly Candidate[]
  /** Whether there is quota when some have left. */
  hasQuota: (without: readonly Candidate[]) => boolean
  /** Whether somebody may have to leave after some others. */
  mayLeave: (candidate: Candidate, after: readonly Candidate[]) => boolean
  /** Whether those who left have room elsewhere, once it has its own on this copy; when absent they need none. */
  haveRoom?: ((victims: readonly Candidate[]) => boolean) | undefined
}

/** Whole gangs that leave, and the nodes that the one for whom they leave has then. */
export type Eviction = { way: Way; victims: readonly Candidate[]; nodes: number[]; loss: number }

/** Domains that are tried, and candidates in each of them: to look for victims takes no longer than that. */
const domainsAtMost = 8
const candidatesAtMost = 256

/**
 * Who has to leave so that a gang can start at once. In each domain that may hold it, those with the least loss are taken
 * off a copy of the cell until it has room, and of the quotas until it has quota; then whoever turns out not to be needed
 * stays, the largest loss first. Of the domains the one with the least loss in all is taken.
 *
 * So in no domain is there a way that spares the dearest victim without a dearer one, nobody is preempted without need,
 * and all that is lost is at most so many times the least possible as there are victims (where not more domains and
 * candidates come into question than are looked at). To find the least would be a covering problem.
 */
export function findVictims(search: Search): Eviction | null {
  const { way, candidates } = search
  const ask = search.begin()
  if (take(ask.cell, ask) >= 0) return grow(search, [])
  let best: Eviction | null = null
  for (const inDomain of domainsByLoss({ cell: way.site, ask: way.ask, number: way.cell, candidates }).slice(
    0,
    domainsAtMost,
  )) {
    const found = grow(search, inDomain.slice(0, candidatesAtMost))
    if (found && (!best || found.loss < best.loss)) best = found
  }
  return best
}

/** Adds victims of a domain until there is room, and any until there is quota; then leaves out who is not needed. */
function grow(search: Search, inDomain: readonly Candidate[]): Eviction | null {
  const { way, begin, candidates, hasQuota, mayLeave } = search
  const chosen: Candidate[] = []
  const ask = begin()
  const scratch = ask.cell
  let gang = take(scratch, ask)
  for (const candidate of inDomain) {
    if (gang >= 0 || gang === refusals.tooLarge) break
    if (!mayLeave(candidate, chosen)) continue
    chosen.push(candidate)
    release(scratch, candidate.held.gang)
    gang = take(scratch, ask)
  }
  if (gang < 0) return null
  for (const candidate of candidates.slice(0, candidatesAtMost)) {
    if (hasQuota(chosen)) break
    if (!chosen.includes(candidate) && mayLeave(candidate, chosen)) chosen.push(candidate)
  }
  if (chosen.length === 0 || !hasQuota(chosen)) return null
  let kept = chosen
  for (const one of chosen.toSorted((a, b) => b.loss - a.loss)) {
    const fewer = kept.filter((other) => other !== one)
    if (hasQuota(fewer) && nodesWithout(search, fewer)) kept = fewer
  }
  const nodes = nodesWithout(search, kept)
  return nodes && kept.length > 0
    ? { way, victims: kept, nodes, loss: kept.reduce((sum, { loss }) => sum + loss, 0) }
    : null
}

/** The nodes that it has when some have left, or null. */
function nodesWithout({ way, begin, haveRoom }: Search, victims: readonly Candidate[]): number[] | null {
  const ask = begin()
  const scratch = ask.cell
  for (const { held } of victims) if (held.way.cell === way.cell) release(scratch, held.gang)
  const gang = take(scratch, ask)
  if (gang < 0) return null
  const nodes = allNodesOf(scratch, gang, way)
  return haveRoom?.(victims) === false ? null : nodes
}
