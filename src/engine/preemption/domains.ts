import { nodesOf } from '#engine/cell/heads.ts'
import { domainAt } from '#engine/cell/tree.ts'

import type { Ask } from '#engine/cell/ask.ts'
import type { Cell } from '#engine/cell/cell.ts'
import type { Held } from '#engine/queue/request.ts'

/** Somebody who runs and may have to leave, and the work that would be lost. */
export type Candidate = { held: Held; loss: number }

type Domain = { free: number; freed: number; loss: number; candidates: Candidate[] }

type Options = {
  cell: Cell
  ask: Ask
  /** The number of the cell; who is elsewhere makes no room. */
  number: number
  /** The least loss first. */
  candidates: readonly Candidate[]
}

/**
 * The candidates of each domain that may hold what is asked for, those domains first where the first few that leave give
 * enough of its scarcest resource with the least loss. Domains in which all together do not give enough are left out.
 */
export function domainsByLoss({ cell, ask, number, candidates }: Options): Candidate[][] {
  const { tree } = cell
  const level = ask.ranks === 1 ? 0 : ask.loosest
  const { resource, needed } = scarcest(ask)
  const domains = new Map<number, Domain>()
  const domainOf = (node: number): Domain => {
    const at = domainAt(tree, node, level)
    const known = domains.get(at)
    if (known) return known
    const domain: Domain = { free: 0, freed: 0, loss: 0, candidates: [] }
    for (let one = tree.nodes[level]?.[at] ?? 0; one < (tree.nodes[level]?.[at + 1] ?? 0); one++)
      if (cell.usable[one] === 1) domain.free += Math.max(0, cell.free[4 * one + resource] ?? 0)
    domains.set(at, domain)
    return domain
  }
  for (const candidate of candidates) {
    const { way, gang } = candidate.held
    if (way.cell !== number) continue
    const sizes = way.ask.roles.flatMap(({ size, ranks }) => Array.from({ length: ranks }, () => size))
    const { ranks, spares } = nodesOf(cell, gang)
    for (const [i, node] of [...ranks, ...spares].entries()) {
      const domain = domainOf(node)
      if (domain.candidates.at(-1) !== candidate) {
        domain.candidates.push(candidate)
        if (domain.free + domain.freed < needed) domain.loss += candidate.loss
      }
      const size = sizes[i] ?? sizes[0] ?? 0
      // Who shares an accelerator counts as if it had all of it.
      const isWhole = cell.sizes.whole[size] === 1 || cell.sizes.share[size] !== 0
      domain.freed += isWhole
        ? (cell.capacity[4 * (cell.classOf[node] ?? 0) + resource] ?? 0)
        : (cell.sizes.amounts[4 * size + resource] ?? 0)
    }
  }
  return [...domains.values()]
    .filter(({ free, freed }) => free + freed >= needed)
    .sort((a, b) => a.loss - b.loss)
    .map((domain) => domain.candidates)
}

/** The first resource that all roles take some of, and how much at least; a whole node is at least as large as the smallest. */
function scarcest({ cell, roles }: Ask): { resource: number; needed: number } {
  const { sizes, capacity, classes } = cell
  const least = (size: number, resource: number): number => {
    if (sizes.whole[size] !== 1) return sizes.amounts[4 * size + resource] ?? 0
    const allowed = classes.flatMap((_, one) =>
      sizes.allowed[size]?.[one] === 1 ? [capacity[4 * one + resource] ?? 0] : [],
    )
    return allowed.length > 0 ? Math.min(...allowed) : 0
  }
  const resource = [0, 1, 2, 3].find((one) => roles.every(({ size }) => least(size, one) > 0)) ?? 0
  return { resource, needed: roles.reduce((sum, { size, ranks }) => sum + ranks * least(size, resource), 0) }
}
